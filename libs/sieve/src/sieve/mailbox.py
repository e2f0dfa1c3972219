"""Arguments that say where a message goes: ":create", ":specialuse", ":mailboxid", ":flags" (RFC 5490, 8579, 9042)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sieve.actions import Target
from sieve.arguments import Bound, Kind, Tag
from sieve.errors import Fault
from sieve.flags import flag_names
from sieve.machine import shown
from sieve.text import Text

if TYPE_CHECKING:
    from sieve.machine import Machine

MAX_NAME_OCTETS = 1024

FLAGS_TAG = Tag("flags", Kind.STRINGS, "imap4flags")
TARGET_TAGS = (
    Tag("create", None, "mailbox"),
    Tag(
        "specialuse", Kind.STRING, "special-use", "by attribute or id"
    ),  # RFC 9042 §4.2 forbids both together.
    Tag("mailboxid", Kind.STRING, "mailboxid", "by attribute or id"),
)


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """The mailbox that a command names."""

    name: Text
    creates: bool
    special_use: Text | None
    mailbox_id: Text | None

    def target(self, machine: Machine) -> Target:
        """The mailbox. Raises Fault where it can't be the name of one."""
        special_use = None if self.special_use is None else shown(self.special_use.value(machine))
        if special_use is not None and not is_special_use(special_use):
            raise Fault(f'"{special_use[:100]}" is no special use of a mailbox')
        mailbox_id = None if self.mailbox_id is None else shown(self.mailbox_id.value(machine))
        return Target(mailbox_name(self.name.value(machine)), self.creates, special_use, mailbox_id)


def read_target(bound: Bound, name: Text) -> TargetChoice:
    """The mailbox that a command's arguments name."""
    return TargetChoice(name, "create" in bound, bound.tag_text("specialuse"), bound.tag_text("mailboxid"))


def mailbox_name(name: bytes) -> str:
    """The name of a mailbox. Raises Fault where it can be none: it is empty, too long, no UTF-8, holds controls."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("the name of a mailbox must be UTF-8") from None
    if not text or len(name) > MAX_NAME_OCTETS or any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
        raise Fault("this can't be the name of a mailbox")
    return text


def is_special_use(attribute: str) -> bool:
    """True for the form of a special-use attribute (RFC 6154 §6): a backslash and an atom."""
    return (
        len(attribute) < 100
        and attribute.startswith("\\")
        and attribute[1:].isascii()
        and attribute[1:].isalnum()
    )


def current_flags(machine: Machine, flags: tuple[Text, ...] | None) -> tuple[str, ...]:
    """What ":flags" gives, or else the internal variable (RFC 5232 §5)."""
    if flags is None:
        return flag_names(machine.flags.value)
    return flag_names(b" ".join(flag.value(machine) for flag in flags))
