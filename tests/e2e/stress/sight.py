"""What one session may see of its selected mailbox, checked with every response (RFC 3501 §5.5, §7.4.1; RFC 7162)."""

import re
from dataclasses import dataclass, field

from tests.e2e.stress.truth import Contradiction, Truth
from tests.support.imap_raw import Untagged

# While one of these is under way no number may change (RFC 3501 §7.4.1); their UID forms are other commands.
HOLDS_NUMBERS = ("FETCH", "STORE", "SEARCH")
CODE = re.compile(rb"^\[([A-Z]+) ?([^\]]*)\]")


def uids_in(text: bytes) -> list[int]:
    """The members of a set of UIDs."""
    found: list[int] = []
    for span in text.split(b","):
        low, _, high = span.partition(b":")
        bounds = sorted((int(low), int(high or low)))
        found += range(bounds[0], bounds[1] + 1)
    return found


@dataclass
class Sight:
    """A client's picture of a mailbox."""

    box: str
    truth: Truth
    # The UID of each sequence number; 0 where it is not known yet.
    numbers: list[int] = field(default_factory=list)
    flags: dict[int, frozenset[str]] = field(default_factory=dict)
    uid_validity: int = 0
    modseq: int = 0
    # What this client was told is gone, whatever it selected since.
    gone: set[int] = field(default_factory=set)
    # What the session may resynchronise from: MODSEQs seen by the end of commands that announce expunges.
    safe_modseq: int = 0
    is_selecting: bool = False
    resyncs: bool = False
    heard: int = 0
    # Bodies and flags that came with the command under way.
    bodies: dict[int, bytes] = field(default_factory=dict)
    fetched: list[tuple[int, int, frozenset[str] | None]] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    early: list[tuple[int, list[object]]] = field(default_factory=list)
    exists: int = 0

    # -- commands

    def begin(self) -> None:
        """A command is given."""
        self.bodies.clear()
        self.fetched.clear()
        self.found.clear()

    def end(self, command: str, code: bytes) -> None:
        """It ended well."""
        name, _, rest = code.partition(b" ")
        if name == b"HIGHESTMODSEQ":
            self.modseq = max(self.modseq, int(rest))
        if not command.startswith(HOLDS_NUMBERS):
            self.safe_modseq = self.modseq

    def hear(self, response: Untagged, command: str) -> None:
        """An untagged response."""
        self.heard += 1
        match response.kind:
            case b"EXISTS":
                self._exists(response.number)
            case b"EXPUNGE":
                self._may_shrink(command, response)
                if not 1 <= response.number <= len(self.numbers):
                    raise Contradiction(f"{response.raw!r} of {len(self.numbers)} in {self.box}")
                self._gone(self.numbers.pop(response.number - 1))
            case b"VANISHED":
                self._vanished(response, command)
            case b"FETCH":
                self._fetch(response.number, response.words[0])
            case b"SEARCH":
                self.found += [int(word) for word in response.words if isinstance(word, bytes)]
            case b"OK" | b"NO":
                self._code(response)
            case b"BYE" | b"BAD":
                raise Contradiction(f"{response.raw!r} to {command}")

    def _code(self, response: Untagged) -> None:
        found = CODE.match(response.words[0]) if isinstance(response.words[0], bytes) else None
        if found is None:
            return
        if found[1] == b"UIDVALIDITY":
            if self.uid_validity not in (0, int(found[2])):
                raise Contradiction(f"UIDVALIDITY of {self.box} was {self.uid_validity}: {response.raw!r}")
            self.uid_validity = int(found[2])
        if found[1] == b"HIGHESTMODSEQ":
            self.modseq = max(self.modseq, int(found[2]))

    def _may_shrink(self, command: str, response: Untagged) -> None:
        if self.is_selecting or command.startswith(HOLDS_NUMBERS):
            raise Contradiction(f"{response.raw!r} while {command} is under way")

    def _exists(self, number: int) -> None:
        if self.is_selecting:
            self.exists = number
            return
        if number < len(self.numbers):
            raise Contradiction(f"{number} EXISTS in {self.box}, and there were {len(self.numbers)}")
        self.numbers += [0] * (number - len(self.numbers))

    def _gone(self, uid: int) -> None:
        if uid:
            self.gone.add(uid)
            self.truth.gone.add((self.box, uid))
            self.flags.pop(uid, None)

    def _vanished(self, response: Untagged, command: str) -> None:
        if not self.resyncs:
            raise Contradiction(f"{response.raw!r} without QRESYNC")
        is_earlier = response.words[0] == [b"EARLIER"]
        uids = response.words[1 if is_earlier else 0]
        assert isinstance(uids, bytes)
        if not is_earlier:
            self._may_shrink(command, response)
        for uid in uids_in(uids):
            if uid in self.numbers:
                self.numbers.remove(uid)
                self._gone(uid)
            elif not is_earlier:
                # One of those of which only the number is known.
                places = [n for n, each in enumerate(self.numbers, 1) if not each and self._fits(n, uid)]
                if not places:
                    raise Contradiction(f"VANISHED {uid} of {self.box}, which was not there")
                del self.numbers[places[0] - 1]
                self._gone(uid)

    def _fetch(self, number: int, items: object) -> None:
        assert isinstance(items, list)
        if self.is_selecting:
            self.early.append((number, items))
            return
        if not 1 <= number <= len(self.numbers):
            raise Contradiction(f"FETCH of {number}, there are {len(self.numbers)} in {self.box}")
        values = dict(zip(items[::2], items[1::2], strict=True))
        known = self.numbers[number - 1]
        uid = int(values[b"UID"]) if b"UID" in values else known
        if uid != known:
            self._learn(number, uid, known)
        if b"MODSEQ" in values:
            self.modseq = max(self.modseq, int(values[b"MODSEQ"][0]))
        told = None
        if b"FLAGS" in values:
            told = frozenset(flag.decode() for flag in values[b"FLAGS"] if flag != b"\\Recent")
            if uid:
                self.flags[uid] = told
        self.fetched.append((number, uid, told))
        for name, value in values.items():
            if name.startswith(b"BODY["):
                self.bodies[uid] = value

    def _learn(self, number: int, uid: int, known: int) -> None:
        if known:
            raise Contradiction(f"number {number} of {self.box} is UID {known}, and was fetched as {uid}")
        if uid in self.gone:
            raise Contradiction(f"UID {uid} of {self.box} is back")
        if not self._fits(number, uid):
            raise Contradiction(
                f"UIDs of {self.box} do not ascend: {uid} as number {number} of {self.numbers}"
            )
        self.numbers[number - 1] = uid

    def _fits(self, number: int, uid: int) -> bool:
        """Whether a UID can stand there: they ascend (RFC 3501 §2.3.1.1)."""
        before = max(self.numbers[: number - 1], default=0)
        after = min((each for each in self.numbers[number:] if each), default=1 << 40)
        return before < uid < after

    # -- selecting

    def select(self) -> None:
        """SELECT is given; what was known stays where it resynchronises."""
        self.is_selecting = True
        self.early.clear()
        self.exists = 0
        if not self.resyncs:
            self.numbers, self.flags = [], {}

    def selected(self) -> None:
        """And has ended: what was known and has not vanished stands first, in its order."""
        self.is_selecting = False
        new = self.exists - len(self.numbers)
        if new < 0:
            raise Contradiction(f"{self.box} has {self.exists}, and {len(self.numbers)} have not vanished")
        self.numbers += [0] * new
        for number, items in self.early:
            self._fetch(number, items)
        self.safe_modseq = self.modseq

    # -- what a client wants to know

    @property
    def unknown(self) -> tuple[int, int] | None:
        """The first and last number of which the UID or the flags are not known."""
        lacking = [n for n, uid in enumerate(self.numbers, 1) if not uid or uid not in self.flags]
        return (lacking[0], lacking[-1]) if lacking else None

    def known(self) -> list[tuple[int, int]]:
        """(number, UID) of messages of which both are known."""
        return [(n, uid) for n, uid in enumerate(self.numbers, 1) if uid]
