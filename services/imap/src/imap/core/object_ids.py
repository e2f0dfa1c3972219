"""Object ids (RFC 8474): of mailboxes, stable over RENAME, and of messages, stable over COPY and MOVE.

Threads have none yet: THREADID is NIL, as RFC 8474 §5.2 wants it then.
"""

from mailstore import StoredMessage


def mailbox_object(mailbox_id: int) -> str:
    """MAILBOXID: the store never gives a mailbox's number twice."""
    return f"F{mailbox_id}"


def email_object(message: StoredMessage) -> str:
    """EMAILID: of the message's row, however many mailboxes show it."""
    return f"M{message.message_id}"
