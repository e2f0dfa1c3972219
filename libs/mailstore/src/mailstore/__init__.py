"""How mailboxes rest in PostgreSQL and S3: the only owner of the mailbox tables."""

from mailstore.errors import (
    AnnotationsFull,
    BodyCorrupt,
    EntryMissing,
    InboxProtected,
    MailboxExists,
    MailboxHasInferiors,
    MailboxMissing,
    MailboxNameInvalid,
    ScriptActive,
    ScriptExists,
    ScriptMissing,
    StoreUnavailable,
    TooManyScripts,
)
from mailstore.notifier import bus_notifier
from mailstore.scripts import ScriptInfo, ScriptStore
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
    "AnnotationsFull",
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
    "ScriptActive",
    "ScriptExists",
    "ScriptInfo",
    "ScriptMissing",
    "ScriptStore",
    "Snapshot",
    "StoreUnavailable",
    "StoredMessage",
    "TooManyScripts",
    "bus_notifier",
]
