"""The state of one run: message, variables, flags, the actions so far, and how many steps are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sieve.actions import Edition, Effect, Track
from sieve.errors import Fault, Place
from sieve.header_block import HeaderBlock
from sieve.ledger import Ledger
from sieve.limits import Limits
from sieve.message import Message
from sieve.mime import Part
from sieve.scripts import Location, ScriptNamed
from sieve.situation import Situation
from sieve.text import MAX_MATCH_INDEX, Reference, Text
from sieve.world import World, YesOrNo

if TYPE_CHECKING:
    from sieve.program import Block, Condition, Program


# Some milliseconds, where a step is what it should be.
STEPS_A_LOOK = 4096


class Stop(Exception):
    """ "stop": the end of the whole run (RFC 5228 §3.3)."""


class Return(Exception):
    """ "return": the end of an included script (RFC 6609 §3.3)."""


class Break(Exception):
    """ "break": the end of a "foreverypart" (RFC 5703 §3.2). `loop` is how many loops in from the outermost."""

    def __init__(self, loop: int) -> None:
        self.loop = loop
        super().__init__(loop)


@dataclass(frozen=True, slots=True)
class Held:
    """A variable's value. `is_trusted`: nothing of it was taken from the message (RFC 5435 §8)."""

    value: bytes
    is_trusted: bool


_NOTHING = Held(b"", True)


@dataclass(slots=True)
class Frame:
    """One script on its way: the one that was started, or an included one (RFC 6609 §3.4)."""

    program: Program
    location: Location
    name: str
    part: Part | None
    """What the script sees as the message, where it was included from a "foreverypart" (RFC 6609 §3.5)."""
    line: int = 0
    enabled: set[str] = field(default_factory=set)
    variables: dict[str, Held] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    """Names that "global" has declared."""
    matches: list[Held] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    """The current part of each "foreverypart" around, the innermost last."""


class Machine:
    """One run. Statements and conditions act on it."""

    def __init__(
        self, program: Program, message: Message, situation: Situation, world: World, name: str
    ) -> None:
        self.limits: Limits = program.limits
        self.message = message
        self.enclosed: Message | None = None
        """The message before it was enclosed, which is what "redirect" sends (RFC 5703 §6)."""
        self.enclosures = 0
        self.situation = situation
        self.world = world
        self.ledger = Ledger(self.limits, is_delivered=situation.has_envelope)
        self.effects: list[Effect] = []
        self.tracks: dict[tuple[str, bytes], Track] = {}
        self.flags = Held(" ".join(situation.flags).encode(), True)
        self.header_edits = 0
        self.includes = 0
        self.steps = 0
        self._expanded_octets = 0
        self._editions_octets = 0
        self._last_edition: Edition | None = None
        clock = situation.clock
        self._clock = clock
        self._ends_at = 0.0 if clock is None else clock() + self.limits.seconds - situation.spent_seconds
        # A run that goes on from a question looks at once: there may be many questions, and each begins anew.
        self._looks_at = 0 if situation.spent_seconds else self._next_look()
        self.globals: dict[str, Held] = {}
        self.included: set[ScriptNamed] = set()
        self.frames: list[Frame] = [Frame(program, Location.PERSONAL, name, None)]

    @property
    def frame(self) -> Frame:
        """The script that runs now."""
        return self.frames[-1]

    @property
    def place(self) -> Place:
        """The line that runs now."""
        return Place(self.frame.line, self.frame.name)

    def at_line(self, line: int) -> None:
        """Note the line that runs now."""
        self.frame.line = line

    def spend(self, steps: int) -> None:
        """Count steps. Raises Fault where there are none left."""
        self.steps += steps
        if self.steps > self._looks_at:
            if self.steps > self.limits.steps or (self._clock is not None and self._clock() > self._ends_at):
                raise Fault("the script takes too long")
            self._looks_at = self._next_look()

    def _next_look(self) -> int:
        """After how many steps it is asked what time it is, or how many there were."""
        if self._clock is None:
            return self.limits.steps
        return min(self.limits.steps, self.steps + STEPS_A_LOOK)

    def run_block(self, block: Block) -> None:
        """Run a block's statements."""
        for line in block:
            self.frame.line = line.number
            self.spend(1)
            line.statement.run(self)

    def holds(self, condition: Condition) -> bool:
        """Ask a condition."""
        self.spend(1)
        return condition.holds(self)

    # Extensions

    def enable(self, capabilities: Sequence[str]) -> None:
        """ "ihave" has found these (RFC 5463 §4)."""
        self.frame.enabled.update(capabilities)

    def check_enabled(self, needs: frozenset[str], what: str) -> None:
        """Raises Fault where an extension was neither required nor found by "ihave"."""
        missing = sorted(needs - self.frame.enabled)
        if missing:
            raise Fault(f'"{what}" needs the extension "{missing[0]}", which no test has found')

    def is_so(self, question: YesOrNo) -> bool:
        """Ask the world."""
        self.spend(10)
        return self.world.is_so(question)

    # The message

    @property
    def has_body(self) -> bool:
        """False where the message, or what an included script sees of it, is a header only."""
        return self.message.has_body if self.frame.part is None else True

    @property
    def header(self) -> HeaderBlock:
        """The header that tests see."""
        return self.message.header if self.frame.part is None else self.frame.part.header

    @property
    def root(self) -> Part:
        """The message that tests see, as a MIME part."""
        return self.message.root if self.frame.part is None else self.frame.part

    @property
    def part(self) -> Part:
        """The current part: that of the innermost "foreverypart", or the message."""
        return self.frame.parts[-1] if self.frame.parts else self.root

    def edition(self) -> Edition | None:
        """The message as it is now."""
        return self.edition_of(self.message)

    def edition_of(self, message: Message) -> Edition | None:
        """That message as it is now. Raises Fault where all that were asked for are too large together."""
        found = message.edition()
        if found is not None and found is not self._last_edition:
            self._last_edition = found
            self._editions_octets += len(found.header) + len(found.body or b"")
            if self._editions_octets > self.limits.editions_octets:
                raise Fault("the changed messages are too large together")
        return found

    def note(self, effect: Effect) -> None:
        """Tell of a change in the outcome, if there are not too many."""
        if len(self.effects) < self.limits.effects:
            self.effects.append(effect)

    # Variables (RFC 5229)

    @property
    def has_variables(self) -> bool:
        """True where the script that runs has required "variables"."""
        return "variables" in self.frame.program.required

    def expand(self, pieces: tuple[bytes | Reference, ...]) -> bytes:
        """A string with its variables put in."""
        self.spend(len(pieces) // 4)
        found: list[bytes] = []
        size = 0
        for piece in pieces:
            octets = piece if isinstance(piece, bytes) else self._held(piece).value
            size += len(octets)
            if size > self.limits.string_octets:
                raise Fault(f"a string grows over {self.limits.string_octets} octets")
            found.append(octets)
        self.spend(size // 1024)
        self._expanded_octets += size
        if self._expanded_octets > self.limits.expanded_octets:
            raise Fault(
                f"strings with variables are longer than {self.limits.expanded_octets} octets together"
            )
        return b"".join(found)

    def is_trusted(self, text: Text) -> bool:
        """True where nothing in the string was taken from the message."""
        return all(self._held(reference).is_trusted for reference in text.references)

    def is_trusted_variable(self, reference: Reference) -> bool:
        """True where nothing in the variable was taken from the message."""
        return self._held(reference).is_trusted

    def value_of(self, reference: Reference) -> bytes:
        """A variable's value."""
        return self._held(reference).value

    def set_variable(self, reference: Reference, value: bytes, *, is_trusted: bool) -> None:
        """Give a variable a value, cut off where it is too long (RFC 5229 §6)."""
        variables = self._variables(reference)
        if reference.name not in variables and len(variables) >= self.limits.variables:
            raise Fault(f"a script may have {self.limits.variables} variables at most")
        variables[reference.name] = Held(cut(value, self.limits.variable_octets), is_trusted)

    def set_matches(self, values: Sequence[bytes], *, is_trusted: bool) -> None:
        """The match variables, the whole match first (RFC 5229 §3.2)."""
        if self.has_variables:
            most = self.limits.variable_octets
            self.frame.matches = [
                Held(cut(value, most), is_trusted) for value in values[: MAX_MATCH_INDEX + 1]
            ]

    def _variables(self, reference: Reference) -> dict[str, Held]:
        if reference.namespace or reference.name in self.frame.shared:
            return self.globals
        return self.frame.variables

    def _held(self, reference: Reference) -> Held:
        if reference.index is None:
            return self._variables(reference).get(reference.name, _NOTHING)
        matches = self.frame.matches
        return matches[reference.index] if reference.index < len(matches) else _NOTHING


def cut(value: bytes, octets: int) -> bytes:
    """A value's beginning, whole UTF-8 characters only."""
    if len(value) <= octets:
        return value
    while octets and value[octets] & 0xC0 == 0x80:
        octets -= 1
    return value[:octets]


def shown(value: bytes) -> str:
    """Octets of a script as text for an action."""
    return value.decode("utf-8", "replace")
