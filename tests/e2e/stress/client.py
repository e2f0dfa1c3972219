"""One client: does what chance says, and believes only what it was told."""

import random
import re
from collections.abc import Awaitable, Callable
from itertools import takewhile

from tests.e2e.stress.letter import letter, number_of
from tests.e2e.stress.sight import Sight, uids_in
from tests.e2e.stress.truth import Contradiction, Truth
from tests.support.imap_raw import RawImap, Tagged, Untagged
from tests.support.platform import Account

BOXES = ("INBOX", "Work", "Archive")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Work", "Later")
# From so many messages on a client rather takes away than adds.
CROWDED = 60
COPYUID = re.compile(rb"COPYUID \d+ ([\d:,]+) ([\d:,]+)")


class Client:
    """Its connection, its mailbox, and its choices."""

    def __init__(self, number: int, port: int, account: Account, truth: Truth, seed: int) -> None:
        self.name = f"client {number}"
        self._port = port
        self._account = account
        self._truth = truth
        self._chance = random.Random(f"{seed}-{number}")
        self._sights = {box: Sight(box, truth) for box in BOXES}
        # Every third speaks QRESYNC.
        self._resyncs = number % 3 == 2
        self._copyuid: list[bytes] = []
        self._uid_next: dict[str, int] = {}
        self.sight: Sight | None = None
        self.last = ""
        self.imap: RawImap
        self._operations: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (14, self._append),
            (3, self._append_two),
            (22, self._store),
            (6, self._expunge),
            (5, self._uid_expunge),
            (8, self._copy),
            (7, self._move),
            (8, self._idle),
            (8, self._fetch_flags),
            (8, self._fetch_bodies),
            (6, self._search),
            (4, self._status),
            (5, self._noop),
            (4, self._select),
            (2, self.reconnect),
        ]

    async def connect(self) -> None:
        """Connect, log in and select."""
        self.imap = await RawImap.connect(self._port)
        self.imap.hear = self._hear
        self.sight = None
        await self.imap.login(self._account.address, self._account.password)
        if self._resyncs:
            await self._do("ENABLE QRESYNC")
        await self._select()

    async def operate(self) -> None:
        """One operation, and a look at what is new."""
        self._truth.operations += 1
        weights = [weight for weight, _ in self._operations]
        (operation,) = self._chance.choices([each for _, each in self._operations], weights)
        await operation()
        if self._chance.random() < 0.7:
            await self.catch_up()

    # -- speaking

    def _hear(self, response: Untagged, command: str) -> None:
        if response.kind == b"OK":
            text = response.words[0]
            assert isinstance(text, bytes)
            found = COPYUID.search(text)
            if found is not None:
                self._copyuid.append(found[0])
                return
        if response.kind == b"STATUS":
            self._status_of(response)
        elif self.sight is not None:
            self.sight.hear(response, command)
        elif response.kind == b"BYE" and command != "LOGOUT":
            raise Contradiction(f"{response.raw!r} to {command}")

    async def _do(self, command: str, *literals: bytes) -> Tagged:
        self.last = command
        self._copyuid.clear()
        if self.sight is not None:
            self.sight.begin()
        answer = await self.imap.command(command, literals)
        if not answer.is_ok:
            raise Contradiction(f"{command}: {answer}")
        if self.sight is not None and not self.sight.is_selecting:
            self.sight.end(command, answer.code)
        return answer

    def _seen(self) -> Sight:
        assert self.sight is not None
        return self.sight

    def _span(self, most: int = 4) -> list[tuple[int, int]]:
        """Some neighbours of which the UIDs are known."""
        known = self._seen().known()
        if not known:
            return []
        start = self._chance.randrange(len(known))
        chosen = known[start : start + self._chance.randint(1, most)]
        # Without a gap, so that the numbers make one span.
        return [each for place, each in enumerate(chosen) if each[0] == chosen[0][0] + place]

    def _by(self, chosen: list[tuple[int, int]]) -> tuple[str, str]:
        """`UID ` and a set of UIDs, or a set of numbers."""
        if self._chance.random() < 0.5:
            return "UID ", ",".join(str(uid) for _, uid in chosen)
        return "", f"{chosen[0][0]}:{chosen[-1][0]}"

    # -- operations

    async def _append(self) -> None:
        await self._put(1)

    async def _append_two(self) -> None:
        await self._put(2)

    async def _put(self, many: int) -> None:
        if len(self._seen().numbers) > CROWDED:
            return await self._uid_expunge()
        box = self._chance.choice(BOXES)
        letters = [self._truth.next_letter() for _ in range(many)]
        above = self._truth.highest[box]
        flags = "(\\Seen)" if self._chance.random() < 0.3 else "()"
        answer = await self._do(f"APPEND {box}" + f" {flags} {{}}" * many, *[letter(n) for n in letters])
        name, _, uids = answer.code.split(b" ")
        if name != b"APPENDUID" or len(uids_in(uids)) != many:
            raise Contradiction(f"APPEND: {answer}")
        for number, uid in zip(letters, uids_in(uids), strict=True):
            self._truth.put((box, uid), number, above)
        return None

    async def _store(self) -> None:
        sight = self._seen()
        if not (chosen := self._span()):
            return
        action = self._chance.choice(["+FLAGS", "-FLAGS", "FLAGS"])
        is_silent = self._chance.random() < 0.4
        flags = set(self._chance.sample(FLAGS, self._chance.randint(1, 2)))
        if len(sight.numbers) > CROWDED // 2 and self._chance.random() < 0.4:
            flags.add("\\Deleted")
        await self._change(chosen, action, frozenset(flags), is_silent=is_silent)

    async def _change(
        self, chosen: list[tuple[int, int]], action: str, flags: frozenset[str], *, is_silent: bool
    ) -> None:
        sight = self._seen()
        if "\\Deleted" in flags and action != "-FLAGS":
            self._truth.doomed.update((sight.box, uid) for _, uid in chosen)
        if is_silent:
            # What the client takes for true from now on, unless it is told otherwise (RFC 3501 §6.4.6).
            for _, uid in chosen:
                if uid in sight.flags:
                    sight.flags[uid] = _changed(sight.flags[uid], action, flags)
        uid_, numbers = self._by(chosen)
        silent = ".SILENT" if is_silent else ""
        await self._do(f"{uid_}STORE {numbers} {action}{silent} ({' '.join(sorted(flags))})")
        if is_silent:
            return
        told: dict[int, frozenset[str]] = {}
        for _, uid, now in sight.fetched:
            if now is not None:
                told.setdefault(uid, now)
        for _, uid in chosen:
            now = told.get(uid)
            if now is not None and _changed(now, action, flags) != now:
                raise Contradiction(f"{self.last}: UID {uid} has {sorted(now)}")

    async def _expunge(self) -> None:
        await self._do("EXPUNGE")

    async def _uid_expunge(self) -> None:
        if chosen := self._span(12):
            await self._change(chosen, "+FLAGS", frozenset(("\\Deleted",)), is_silent=True)
            await self._do("UID EXPUNGE " + ",".join(str(uid) for _, uid in chosen))

    async def _copy(self) -> None:
        if len(self._seen().numbers) > CROWDED:
            return await self._uid_expunge()
        return await self._pass("COPY", self._chance.choice(BOXES))

    async def _move(self) -> None:
        await self._pass("MOVE", self._chance.choice([box for box in BOXES if box != self._seen().box]))

    async def _pass(self, verb: str, target: str) -> None:
        sight = self._seen()
        if not (chosen := self._span(3)):
            return
        above = self._truth.highest[target]
        uid_, numbers = self._by(chosen)
        answer = await self._do(f"{uid_}{verb} {numbers} {target}")
        found = COPYUID.search(answer.code) or (COPYUID.search(self._copyuid[0]) if self._copyuid else None)
        if found is None:
            return
        sources, targets = uids_in(found[1]), uids_in(found[2])
        if not set(sources) <= {uid for _, uid in chosen} or sorted(targets) != targets:
            raise Contradiction(f"{self.last} of {chosen}: {answer} {self._copyuid}")
        passed = self._truth.copied if verb == "COPY" else self._truth.was_moved
        for source, uid in zip(sources, targets, strict=True):
            passed((sight.box, source), (target, uid), above)
        if verb == "MOVE" and (left := set(sources) & set(sight.numbers)):
            raise Contradiction(f"{self.last}: {left} were moved and are not said to be gone")

    async def _idle(self) -> None:
        sight = self._seen()
        enough = sight.heard + self._chance.randint(1, 6)
        self.last = "IDLE"
        sight.begin()
        answer = await self.imap.idle(lambda: sight.heard >= enough, 0.1)
        if not answer.is_ok:
            raise Contradiction(f"IDLE: {answer}")
        sight.end("IDLE", b"")

    async def _fetch_flags(self) -> None:
        sight = self._seen()
        if sight.numbers:
            count = len(sight.numbers)
            await self._do("FETCH 1:* (UID FLAGS)")
            if not {number for number, _, _ in sight.fetched} <= set(range(1, count + 1)):
                # What came meanwhile may be told as well: it is among the numbers by now.
                assert len(sight.numbers) > count

    async def _fetch_bodies(self) -> None:
        sight = self._seen()
        if not (chosen := self._span(6)):
            return
        uid_, numbers = self._by(chosen)
        peek = ".PEEK" if self._chance.random() < 0.7 else ""
        await self._do(f"{uid_}FETCH {numbers} (UID BODY{peek}[])")
        for uid, content in sight.bodies.items():
            try:
                self._truth.saw((sight.box, uid), number_of(content))
            except ValueError as error:
                raise Contradiction(f"UID {uid} of {sight.box}: {error}") from None

    async def _search(self) -> None:
        sight = self._seen()
        before = len(sight.numbers)
        if self._chance.random() < 0.5:
            await self._do("SEARCH UNSEEN UNDELETED")
            if any(not 1 <= number <= before for number in sight.found):
                raise Contradiction(f"SEARCH of {before} messages found {sight.found}")
        else:
            await self._do("UID SEARCH KEYWORD $Work")
            if sight.found != sorted(set(sight.found)):
                raise Contradiction(f"UID SEARCH does not ascend: {sight.found}")

    async def _status(self) -> None:
        box = self._chance.choice([each for each in BOXES if each != self._seen().box])
        above = self._truth.highest[box]
        self._uid_next[box] = 0
        await self._do(f"STATUS {box} (MESSAGES UIDNEXT UNSEEN)")
        if self._uid_next[box] <= above:
            raise Contradiction(f"UIDNEXT of {box} is {self._uid_next[box]}, and {above} was given before")

    def _status_of(self, response: Untagged) -> None:
        box, items = response.words
        assert isinstance(box, bytes)
        assert isinstance(items, list)
        values = dict(zip(items[::2], items[1::2], strict=True))
        self._uid_next[box.decode()] = int(values[b"UIDNEXT"])

    async def _noop(self) -> None:
        await self._do("NOOP")

    async def _select(self) -> None:
        box = self._chance.choice(BOXES)
        sight = self._sights[box]
        sight.resyncs = self._resyncs
        resync = ""
        if self._resyncs and sight.uid_validity:
            # Of what it does not know the UID it knows nothing; and it does not know the numbers of what follows that.
            known = list(takewhile(bool, sight.numbers))
            if any(sight.numbers[len(known) :]):
                known = []
            else:
                resync = f" (QRESYNC ({sight.uid_validity} {sight.safe_modseq}))"
            sight.numbers = known
            sight.flags = {uid: flags for uid, flags in sight.flags.items() if uid in known}
        sight.select()
        # [CLOSED] ends what is about the one before; nothing untagged is about it after SELECT was read.
        self.sight = sight
        await self._do(f"SELECT {box}{resync}")
        sight.selected()

    async def reconnect(self) -> None:
        """Away, with a word or without, and back."""
        if self._chance.random() < 0.5:
            self.imap.drop()
        else:
            self.last = "LOGOUT"
            self.sight = None
            await self.imap.logout()
        await self.connect()

    # -- being sure

    async def catch_up(self) -> None:
        """Ask for the UIDs and flags that are not known."""
        sight = self._seen()
        if (lacking := sight.unknown) is not None:
            await self._do(f"FETCH {lacking[0]}:{lacking[1]} (UID FLAGS)")

    async def settle(self) -> Sight:
        """Hear of everything there is to hear; nobody else does anything."""
        await self._do("NOOP")
        await self.catch_up()
        return self._seen()


def _changed(before: frozenset[str], action: str, flags: frozenset[str]) -> frozenset[str]:
    match action:
        case "+FLAGS":
            return before | flags
        case "-FLAGS":
            return before - flags
        case _:
            return flags
