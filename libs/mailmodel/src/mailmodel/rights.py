"""Rights to a mailbox (RFC 4314): letters, whom they are given to, and what somebody has who is several of these.

An identifier is kept as one of: `anyone`, `authenticated` (the same here: nobody reads mail without a login), an
account's id, `$` and a group's address; with `-` before it, it takes away. So an address that another account gets
one day brings that account nothing.
"""

from collections.abc import Iterable, Mapping

LOOKUP = "l"
READ = "r"
KEEP_SEEN = "s"
WRITE = "w"
INSERT = "i"
POST = "p"
CREATE = "k"
DELETE = "x"
DELETE_MESSAGES = "t"
EXPUNGE = "e"
ADMINISTER = "a"

RIGHTS = "lrswipkxtea"
# RFC 2086's `c` and `d`, which older clients write and read (RFC 4314 §2.1.1).
OBSOLETE = {"c": "kx", "d": "te"}
# Any of these lets somebody know that the mailbox is there (RFC 4314 §4, MYRIGHTS).
KNOWING = frozenset("lrikxa")

ANYONE = "anyone"
AUTHENTICATED = "authenticated"
GROUP = "$"
NEGATIVE = "-"

Rights = frozenset[str]
ALL_RIGHTS: Rights = frozenset(RIGHTS)
NO_RIGHTS: Rights = frozenset()


class RightsInvalid(ValueError):
    """A letter is no right; the text says which."""


def parse_rights(letters: str) -> Rights:
    """From letters in any order. Raises RightsInvalid."""
    found: set[str] = set()
    for letter in letters:
        if letter not in RIGHTS and letter not in OBSOLETE:
            raise RightsInvalid(f"{letter!r} is no right")
        found.update(OBSOLETE.get(letter, letter))
    return frozenset(found)


def kept_form(rights: Rights) -> str:
    """In the order of RFC 4314 §2.1: as they are kept."""
    return "".join(letter for letter in RIGHTS if letter in rights)


def shown_form(rights: Rights) -> str:
    """The same with `c` and `d` where any of what they stand for is there (RFC 4314 §2.1.1)."""
    return kept_form(rights) + "".join(old for old, new in OBSOLETE.items() if rights.intersection(new))


def changed(rights: Rights, modification: str) -> Rights:
    """After SETACL's third argument: `+` adds, `-` removes, else it replaces. Raises RightsInvalid."""
    if modification.startswith("+"):
        return rights | parse_rights(modification[1:])
    if modification.startswith("-"):
        return rights - parse_rights(modification[1:])
    return parse_rights(modification)


def identifiers(account_id: str, groups: Iterable[str]) -> list[str]:
    """All that an account is."""
    return [ANYONE, AUTHENTICATED, account_id, *(GROUP + group for group in groups)]


def effective(entries: Mapping[str, str], who: Iterable[str]) -> Rights:
    """What somebody has who is all of `who`: what is given to any of them, less what is taken from any (RFC 4314 §2)."""
    given: set[str] = set()
    taken: set[str] = set()
    for identifier in who:
        given.update(entries.get(identifier, ""))
        taken.update(entries.get(NEGATIVE + identifier, ""))
    return frozenset(given - taken)
