""" ":fcc" and what goes with it: a copy of a generated message (RFC 8580)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.actions import FileCopy
from sieve.arguments import Bound, Kind, Tag
from sieve.machine import Machine
from sieve.mailbox import FLAGS_TAG, TARGET_TAGS, TargetChoice, current_flags, read_target
from sieve.text import Text

FILE_COPY_TAGS = (Tag("fcc", Kind.STRING, "fcc"), FLAGS_TAG, *TARGET_TAGS)


@dataclass(frozen=True, slots=True)
class FileCopyChoice:
    """Where a copy is to go."""

    target: TargetChoice
    flags: tuple[Text, ...]

    def copy(self, machine: Machine) -> FileCopy:
        """The copy. Without ":flags" it has none: the internal variable is about the message received (§3.1)."""
        return FileCopy(self.target.target(machine), current_flags(machine, self.flags))


def read_file_copy(bound: Bound) -> FileCopyChoice | None:
    """The copy that the arguments ask for. Raises ScriptError where they ask for none but say what it is like."""
    name = bound.tag_text("fcc")
    if name is None:
        alone = bound.one_of("create", "flags", "specialuse", "mailboxid")
        if alone is not None:
            raise bound.error(f'":{alone}" needs ":fcc"')
        return None
    return FileCopyChoice(read_target(bound, name), bound.tag_texts("flags") or ())
