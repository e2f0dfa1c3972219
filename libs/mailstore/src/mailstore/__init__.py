"""How mailboxes rest in PostgreSQL and S3: the only owner of the mailbox tables."""

from mailstore.errors import (
    BodyCorrupt,
    EntryMissing,
    InboxProtected,
    MailboxExists,
    MailboxHasInferiors,
    MailboxMissing,
    MailboxNameInvalid,
    StoreUnavailable,
)
from mailstore.notifier import bus_notifier
from mailstore.store import MailStore
from mailstore.types import (
    Changes,
    Columns,
    CopyResult,
    Delivery,
    EntryCounts,
    FlagOutcome,
    MailboxChange,
    NewMessage,
    Snapshot,
    StoredMessage,
)

__all__ = [
    "BodyCorrupt",
    "Changes",
    "Columns",
    "CopyResult",
    "Delivery",
    "EntryCounts",
    "EntryMissing",
    "FlagOutcome",
    "InboxProtected",
    "MailStore",
    "MailboxChange",
    "MailboxExists",
    "MailboxHasInferiors",
    "MailboxMissing",
    "MailboxNameInvalid",
    "NewMessage",
    "Snapshot",
    "StoreUnavailable",
    "StoredMessage",
    "bus_notifier",
]
