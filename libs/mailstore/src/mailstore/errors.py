"""What a caller of the mail store has to tell apart."""

from mailmodel.mailbox_name import MailboxNameInvalid
from pgkit import DatabaseUnavailable as StoreUnavailable


class MailboxMissing(Exception):
    """There is no such mailbox (also: not any more, or not in this tenant)."""


class AnnotationsFull(Exception):
    """A mailbox, or an account, has as many annotations as it may have."""


class RightsFull(Exception):
    """A mailbox has as many entries in its access control list as it may have."""


class QuotaExceeded(Exception):
    """There is no room: "account" or "tenant" says whose limit it is. Nothing was filed."""

    def __init__(self, whose: str) -> None:
        super().__init__(whose)
        self.whose = whose


class EntryMissing(Exception):
    """There is no message with that UID in the mailbox (any more)."""


class MailboxExists(Exception):
    """There is a mailbox of this name already."""


class MailboxesFull(Exception):
    """An account has as many mailboxes, or subscribed names, as it may have."""


class MailboxHasInferiors(Exception):
    """A mailbox with others below it is not deleted (RFC 3501 §6.3.4 would leave a \\Noselect name)."""


class InboxProtected(Exception):
    """INBOX can be neither deleted nor created (RFC 3501 §6.3.3, §6.3.4)."""


class ScriptMissing(Exception):
    """There is no such Sieve script."""


class ScriptExists(Exception):
    """There is a Sieve script of this name already."""


class ScriptActive(Exception):
    """The active script is not deleted (RFC 5804 §2.10)."""


class TooManyScripts(Exception):
    """The account has as many Sieve scripts as it may have."""


class BodyCorrupt(Exception):
    """The octets in the object storage are not those that were stored."""


class BodyShredded(BodyCorrupt):
    """They can be read no more: the key of the tenant that they were encrypted with was deleted."""


__all__ = [
    "AnnotationsFull",
    "BodyCorrupt",
    "BodyShredded",
    "EntryMissing",
    "InboxProtected",
    "MailboxExists",
    "MailboxHasInferiors",
    "MailboxMissing",
    "MailboxNameInvalid",
    "MailboxesFull",
    "RightsFull",
    "ScriptActive",
    "ScriptExists",
    "ScriptMissing",
    "StoreUnavailable",
    "TooManyScripts",
]
