"""What the mta-queue counts."""

from prometheus_client import Counter, Gauge, Histogram

RECIPIENTS = Counter("mta_queue_recipients_total", "Recipients settled or postponed", ["outcome"])
ATTEMPTS = Counter("mta_queue_attempts_total", "Sessions with other systems", ["result"])
PUT_OFF = Counter(
    "mta_queue_messages_put_off_total",
    "Messages of the bus that wait for their turn without having been tried",
)
POISONED = Counter("mta_queue_messages_poisoned_total", "Messages put aside because they cannot be read")
UNCERTAIN = Counter(
    "mta_queue_uncertain_total",
    "Connections that died between the final dot and its answer: a duplicate is possible",
)
REUSED = Counter("mta_queue_connections_reused_total", "Messages sent on a connection that had sent others")
NOTICES = Counter("mta_queue_notices_total", "Delivery status notifications", ["result"])
UNDER_WAY = Gauge("mta_queue_under_way", "Transactions under way")
TRANSACTION_SECONDS = Histogram("mta_queue_transaction_seconds", "Time of one session with another system")
WAITING = Gauge("mta_queue_waiting_items", "Items that wait in PostgreSQL")
SHAPED = Counter("mta_queue_shaped_total", "Attempts that a destination's limits put off, and stops", ["why"])
SUPPRESSED = Counter(
    "mta_queue_suppressed_total", "Recipients refused because they are on a list, and put on one", ["what"]
)
WEBHOOKS = Counter("mta_queue_webhook_requests_total", "Requests to webhooks", ["result"])
REPORTS = Counter("mta_queue_reports_total", "Days of a domain that were reported to it", ["kind", "result"])
REPORTS_RECEIVED = Counter(
    "mta_queue_reports_received_total", "Reports that came, by what was in them", ["kind"]
)
FORWARDED = Counter("mta_queue_forwarded_total", "Messages of others that we sent on", ["sealed"])
CONVERTED = Counter("mta_queue_converted_total", "messages made 7-bit for a system that takes no more")
LOGIN_NOTICES = Counter("mta_queue_login_notices_total", "Logins that were noticed, as events", ["result"])
RETURNED = Counter("mta_queue_returned_total", "Notices and feedback reports about mail of ours", ["result"])
