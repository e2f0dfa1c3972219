"""Names of mailboxes: "/" between levels, INBOX in any case, UTF-8 in NFC, bounded.

RFC 3501 §5.1 and RFC 9051 §5.1; what Net-Unicode (RFC 5198 §2) forbids is refused.
"""

import unicodedata

SEPARATOR = "/"
INBOX = "INBOX"
NAME_OCTETS = 1000
LEVELS = 30


class MailboxNameInvalid(ValueError):
    """The name cannot be used; the text says why."""


def canonical(name: str) -> str:
    """The one form of a name under which a mailbox is kept. Raises MailboxNameInvalid."""
    name = unicodedata.normalize("NFC", name)
    levels = name.split(SEPARATOR)
    # In ASCII alone: the capital of a dotless i is no other letter than that of i.
    if levels[0].isascii() and levels[0].upper() == INBOX:
        levels[0] = INBOX
        name = SEPARATOR.join(levels)
    if not name:
        raise MailboxNameInvalid("a mailbox needs a name")
    if len(name.encode("utf-8", "surrogatepass")) > NAME_OCTETS:
        raise MailboxNameInvalid(f"a mailbox name has at most {NAME_OCTETS} octets")
    if len(levels) > LEVELS:
        raise MailboxNameInvalid(f"mailboxes are nested at most {LEVELS} deep")
    if any(not level for level in levels):
        raise MailboxNameInvalid("a level of the hierarchy has no name")
    for character in name:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise MailboxNameInvalid("a mailbox name has no control characters")
    return name


def superiors(name: str) -> list[str]:
    """The names above this one, from the top."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]


def is_below(name: str, superior: str) -> bool:
    """Whether `name` is inferior to `superior`."""
    return name.startswith(superior + SEPARATOR)
