"""What imap counts."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

COMMANDS = Counter("imap_commands_total", "Commands", ["command", "status"])
COMMAND_SECONDS = Histogram("imap_command_seconds", "Time of one command", ["command"])
LOGINS = Counter("imap_logins_total", "LOGIN and AUTHENTICATE", ["outcome"])
TEXTS_KEPT = Counter("imap_texts_kept_total", "Texts of bodies put into PostgreSQL for searching")
DOCUMENTS = Counter("imap_documents_total", "Attached documents that were read for searches", ["outcome"])
SESSIONS = Gauge("imap_sessions_open", "Sessions that have logged in")
IDLING = Gauge("imap_sessions_idling", "Sessions in IDLE")


@cache
def commands(command: str, status: str) -> Counter:
    """COMMANDS of one kind; there are not many, and looking for it takes longer than counting."""
    return COMMANDS.labels(command, status)


@cache
def command_seconds(command: str) -> Histogram:
    """The same of COMMAND_SECONDS."""
    return COMMAND_SECONDS.labels(command)
