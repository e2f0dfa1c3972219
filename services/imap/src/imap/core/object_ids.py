"""Object ids (RFC 8474): of mailboxes, stable over RENAME; of messages and conversations, stable over COPY and MOVE."""

from mailstore import StoredMessage


def mailbox_object(mailbox_id: int) -> str:
    """MAILBOXID: the store never gives a mailbox's number twice."""
    return f"F{mailbox_id}"


def email_object(message: StoredMessage) -> str:
    """EMAILID: of the message's row, however many mailboxes show it."""
    return f"M{message.message_id}"


def thread_object(message: StoredMessage) -> str:
    """THREADID, of a message that was fetched with Columns.THREAD."""
    return f"T{message.thread_id.hex()}"
