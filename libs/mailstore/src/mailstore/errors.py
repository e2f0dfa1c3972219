"""What a caller of the mail store has to tell apart."""

from mailmodel.mailbox_name import MailboxNameInvalid
from pgkit import DatabaseUnavailable as StoreUnavailable


class MailboxMissing(Exception):
    """There is no such mailbox (also: not any more, or not in this tenant)."""


class EntryMissing(Exception):
    """There is no message with that UID in the mailbox (any more)."""


class MailboxExists(Exception):
    """There is a mailbox of this name already."""


class MailboxHasInferiors(Exception):
    """A mailbox with others below it is not deleted (RFC 3501 §6.3.4 would leave a \\Noselect name)."""


class InboxProtected(Exception):
    """INBOX can be neither deleted nor created (RFC 3501 §6.3.3, §6.3.4)."""


class BodyCorrupt(Exception):
    """The octets in the object storage are not those that were stored."""


__all__ = [
    "BodyCorrupt",
    "EntryMissing",
    "InboxProtected",
    "MailboxExists",
    "MailboxHasInferiors",
    "MailboxMissing",
    "MailboxNameInvalid",
    "StoreUnavailable",
]
