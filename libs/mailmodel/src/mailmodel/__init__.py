"""Whose and what: accounts, mailboxes, UIDs, flags, the session's view of a mailbox."""

from mailmodel.account import AccountRef
from mailmodel.flags import NO_FLAGS, FlagAction, FlagChange, Flags, SystemFlag
from mailmodel.mailbox import Entry, MailboxInfo
from mailmodel.mailbox_name import INBOX, SEPARATOR, MailboxNameInvalid
from mailmodel.quota import NO_LIMITS, Quota, QuotaLimits

__all__ = [
    "INBOX",
    "NO_FLAGS",
    "NO_LIMITS",
    "SEPARATOR",
    "AccountRef",
    "Entry",
    "FlagAction",
    "FlagChange",
    "Flags",
    "MailboxInfo",
    "MailboxNameInvalid",
    "Quota",
    "QuotaLimits",
    "SystemFlag",
]
