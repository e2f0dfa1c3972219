"""What pop3 counts."""

from prometheus_client import Counter, Histogram

LOGINS = Counter("pop3_logins_total", "Logins, by how they ended", ["outcome"])
RETRIEVED = Counter("pop3_messages_retrieved_total", "Messages sent whole (RETR)")
RETRIEVED_OCTETS = Counter("pop3_retrieved_octets_total", "Octets of messages sent (RETR and TOP)")
REMOVED = Counter("pop3_messages_removed_total", "Messages removed at QUIT")
UPDATES_FAILED = Counter("pop3_updates_failed_total", "QUITs whose messages could not be removed")
READS_FAILED = Counter("pop3_reads_failed_total", "Messages that could not be read")
LOGIN_SECONDS = Histogram("pop3_login_seconds", "From the password to the open maildrop")
