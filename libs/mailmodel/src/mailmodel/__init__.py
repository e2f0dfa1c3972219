"""Whose and what: accounts, mailboxes, UIDs, flags, the session's view of a mailbox."""

from mailmodel.account import AccountRef
from mailmodel.flags import NO_FLAGS, FlagAction, FlagChange, Flags, SystemFlag
from mailmodel.mailbox import Entry, MailboxInfo
from mailmodel.mailbox_name import INBOX, SEPARATOR, MailboxNameInvalid

__all__ = [
    "INBOX",
    "NO_FLAGS",
    "SEPARATOR",
    "AccountRef",
    "Entry",
    "FlagAction",
    "FlagChange",
    "Flags",
    "MailboxInfo",
    "MailboxNameInvalid",
    "SystemFlag",
]
