"""What a script may ask beyond the message: mailboxes, annotations, lists, other scripts, what was seen before.

The library does no I/O. Who has the answers at hand implements `World`. Who must fetch them runs with a `Notebook`:
the run ends in `Unanswered` with the question, the caller finds the answer, writes it down and runs again. A run
depends on nothing but its inputs, so it takes the same way up to the next question.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sieve.errors import ScriptError
from sieve.program import Program
from sieve.scripts import ScriptNamed


@dataclass(frozen=True, slots=True)
class BodyWanted:
    """The body of the message is needed, and was not given."""


@dataclass(frozen=True, slots=True)
class MailboxExists:
    """Does a mailbox with this name exist, and may the user file into it (RFC 5490 §3.1)?"""

    name: str


@dataclass(frozen=True, slots=True)
class MailboxIdExists:
    """Does a mailbox with this OBJECTID exist (RFC 9042)?"""

    mailbox_id: str


@dataclass(frozen=True, slots=True)
class SpecialUseExists:
    """Has this mailbox, or any where it is None, this special use (RFC 8579)?"""

    mailbox: str | None
    attribute: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """The value of an annotation of a mailbox, or of the server where it is None (RFC 5490 §3.3, §4.1)."""

    mailbox: str | None
    entry: str


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """Was this id tracked under this handle within these seconds, by an earlier run (RFC 7352)?"""

    handle: str
    unique_id: bytes
    seconds: int


@dataclass(frozen=True, slots=True)
class ListExists:
    """Is there an external list with this name (RFC 6134)?"""

    name: str


@dataclass(frozen=True, slots=True)
class ListContains:
    """Does the external list hold this value (RFC 6134)?"""

    name: str
    value: str


YesOrNo = MailboxExists | MailboxIdExists | SpecialUseExists | SeenBefore | ListExists | ListContains
Question = BodyWanted | YesOrNo | Metadata | ScriptNamed


class Unanswered(Exception):
    """The run can't go on without an answer to `question`."""

    def __init__(self, question: Question) -> None:
        self.question = question
        super().__init__(repr(question))


class World(Protocol):
    """Answers of the world around a script. Each may raise Unanswered."""

    def is_so(self, question: YesOrNo) -> bool:
        """The answer to a question of yes or no."""

    def metadata(self, question: Metadata) -> str | None:
        """An annotation's value, or None where there is none."""

    def script(self, question: ScriptNamed) -> Program | None:
        """A script, compiled, or None where there is none. May raise ScriptError."""


class EmptyWorld:
    """A world in which nothing exists but the inbox."""

    def is_so(self, question: YesOrNo) -> bool:
        return isinstance(question, MailboxExists) and question.name.upper() == "INBOX"

    def metadata(self, question: Metadata) -> str | None:
        return None

    def script(self, question: ScriptNamed) -> Program | None:
        return None


@dataclass(slots=True)
class Notebook:
    """A world of answers written down so far. A script that has errors is written down as its ScriptError."""

    yes_or_no: dict[YesOrNo, bool] = field(default_factory=dict)
    annotations: dict[Metadata, str | None] = field(default_factory=dict)
    scripts: dict[ScriptNamed, Program | ScriptError | None] = field(default_factory=dict)

    def is_so(self, question: YesOrNo) -> bool:
        if question not in self.yes_or_no:
            raise Unanswered(question)
        return self.yes_or_no[question]

    def metadata(self, question: Metadata) -> str | None:
        if question not in self.annotations:
            raise Unanswered(question)
        return self.annotations[question]

    def script(self, question: ScriptNamed) -> Program | None:
        if question not in self.scripts:
            raise Unanswered(question)
        found = self.scripts[question]
        if isinstance(found, ScriptError):
            raise found
        return found
