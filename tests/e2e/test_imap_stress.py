"""Many clients on one mailbox at once: what each was told is, in the end, what is there.

Every client keeps what a real one would: which number is which UID, and the flags it was told of. It changes things by
chance (the seeds are fixed), hears of what the others do, half of them by QRESYNC, some come back after having been away.
A contradiction is an EXISTS that counts down, a number that means another UID than before, an EXPUNGE while numbers
could be meant, or anything that differs from a fresh look when all is quiet.
"""

import asyncio
import random
import re

import pytest

from tests.support.platform import Account, Platform

CLIENTS = 12
STEPS = 40
LETTER = b"Subject: x\r\n\r\nx\r\n"
# While these are answered, numbers must stay (RFC 3501 §7.4.1).
BY_NUMBER = ("FETCH", "STORE", "SEARCH")


class Client:
    """One session and what it believes."""

    def __init__(self, platform: Platform, account: Account, seed: int) -> None:
        self._port = platform.ports.imap
        self._account = account
        self.name = f"client {seed}"
        self.dice = random.Random(seed)
        self.resyncs = seed % 2 == 0
        self.uids: list[int] = []
        self.flags: dict[int, frozenset[str]] = {}
        self.modseq = 1
        self.validity = ""
        self._pending = 0
        self._tag = 0
        # Of the command under way: a HIGHESTMODSEQ that was told, and the highest MODSEQ of a message.
        self._highest = self._seen = 0

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self._reader.readline()
        await self.say(f"LOGIN {self._account.address} {self._account.password}")
        if self.resyncs:
            await self.say("ENABLE QRESYNC")
        if self.resyncs and self.validity:
            known = dict(zip(self.uids, range(len(self.uids)), strict=True))
            self.uids, self._pending = [], 0
            await self.say(f"SELECT INBOX (QRESYNC ({self.validity} {self.modseq}))")
            # What it kept of the mailbox and what the answer told must be the mailbox.
            held = self._gone_while_away(known)
            await self._learn()
            assert set(self.uids) >= held, (self.name, held - set(self.uids))
        else:
            self.uids, self.flags, self._pending = [], {}, 0
            await self.say("SELECT INBOX")
            await self._learn()

    def _gone_while_away(self, known: dict[int, int]) -> set[int]:
        return {uid for uid in known if uid in self.flags}

    async def leave(self) -> None:
        self._writer.write(b"x LOGOUT\r\n")
        await self._reader.read()
        self._writer.close()

    async def say(self, command: str, literal: bytes | None = None) -> None:
        self._tag += 1
        tag = f"t{self._tag}"
        self._writer.write(f"{tag} {command}".encode())
        if literal is not None:
            self._writer.write(b" {%d+}\r\n%b" % (len(literal), literal))
        self._writer.write(b"\r\n")
        if command == "IDLE":
            self._writer.write(b"DONE\r\n")
        while True:
            line = (await self._reader.readline()).decode().rstrip("\r\n")
            assert line, f"{self.name}: the connection is closed after {command}"
            if line.startswith(tag + " "):
                self._settle(line)
                assert " BAD " not in line, (self.name, command, line)
                assert "SERVERBUG" not in line, (self.name, command, line)
                break
            self._hear(line, command)

    def _hear(self, line: str, command: str) -> None:
        if (found := re.match(r"\* (\d+) EXISTS", line)) is not None:
            count = int(found[1])
            assert count >= len(self.uids) + self._pending, (self.name, command, line)
            self._pending = count - len(self.uids)
        elif (found := re.match(r"\* (\d+) EXPUNGE", line)) is not None:
            assert not command.startswith(BY_NUMBER), (self.name, command, line)
            if int(found[1]) <= len(self.uids):
                self.flags.pop(self.uids.pop(int(found[1]) - 1), None)
            else:
                self._pending -= 1
        elif (found := re.match(r"\* VANISHED (\(EARLIER\) )?([\d:,]+)", line)) is not None:
            assert not command.startswith(BY_NUMBER), (self.name, command, line)
            for part in found[2].split(","):
                low, _, high = part.partition(":")
                for uid in range(int(low), int(high or low) + 1):
                    self.flags.pop(uid, None)
                    if uid in self.uids:
                        self.uids.remove(uid)
                    elif not found[1]:
                        # One that it was told of and has not looked at yet.
                        self._pending -= 1
        elif (found := re.match(r"\* (\d+) FETCH \((.*)\)$", line)) is not None:
            self._fetched(int(found[1]), found[2], command)
        elif (found := re.match(r"\* OK \[HIGHESTMODSEQ (\d+)\]", line)) is not None:
            self._highest = int(found[1])
        elif (found := re.match(r"\* OK \[UIDVALIDITY (\d+)\]", line)) is not None:
            self.validity = found[1]

    def _fetched(self, number: int, items: str, command: str) -> None:
        uid_item, flags_item = re.search(r"UID (\d+)", items), re.search(r"FLAGS \(([^)]*)\)", items)
        modseq = re.search(r"MODSEQ \((\d+)\)", items)
        if uid_item is None:
            return
        uid = int(uid_item[1])
        if number <= len(self.uids):
            assert self.uids[number - 1] == uid, (self.name, command, items)
        elif command.startswith("FETCH") and number == len(self.uids) + 1:
            self.uids.append(uid)
            self._pending -= 1
        if flags_item is not None:
            self.flags[uid] = frozenset(flags_item[1].split()) - {"\\Recent"}
        if modseq is not None:
            self._seen = max(self._seen, int(modseq[1]))

    def _settle(self, tagged: str) -> None:
        """What it may ask from the next time (RFC 7162 §6)."""
        found = re.search(r"\[HIGHESTMODSEQ (\d+)\]", tagged)
        if found is not None:
            self._highest = int(found[1])
        self.modseq = self._highest if self._highest else max(self.modseq, self._seen)
        self._highest = self._seen = 0

    async def _learn(self) -> None:
        """The UIDs of messages that are new to it."""
        while self._pending:
            first, before = len(self.uids) + 1, self._pending
            await self.say(f"FETCH {first}:{first + before - 1} (UID FLAGS)")
            assert len(self.uids) >= first - 1 + before, self.name

    async def step(self) -> None:
        dice = self.dice
        uid = dice.choice(self.uids) if self.uids else 1
        number = dice.randint(1, len(self.uids)) if self.uids else 0
        flag = dice.choice(("\\Seen", "\\Flagged", "$Work", "\\Answered"))
        match dice.choice(
            (
                "append",
                "append",
                "store",
                "store",
                "store",
                "number",
                "delete",
                "copy",
                "move",
                "idle",
                "away",
                "noop",
            )
        ):
            case "append":
                await self.say("APPEND INBOX", LETTER)
            case "store":
                await self.say(f"UID STORE {uid} {dice.choice('+-')}FLAGS ({flag})")
            case "number" if number:
                await self.say(f"FETCH {number} (UID FLAGS)")
            case "delete":
                await self.say(f"UID STORE {uid} +FLAGS (\\Deleted)")
                await self._learn()
                await self.say(dice.choice(("EXPUNGE", f"UID EXPUNGE {uid}")))
            case "copy":
                await self.say(f"UID COPY {uid} {dice.choice(('INBOX', 'Archive'))}")
            case "move":
                await self.say(f"UID MOVE {uid} Archive")
            case "idle":
                await self.say("IDLE")
            case "away":
                await self.say("NOOP")
                await self._learn()
                await self.leave()
                await self.connect()
            case _:
                await self.say("NOOP")
        await self._learn()


@pytest.mark.parametrize("seed", [1])
def test_what_they_were_told_is_what_is_there(platform: Platform, seed: int) -> None:
    account = platform.create_account(f"stress{seed}")

    async def live() -> None:
        clients = [Client(platform, account, seed * 1000 + number) for number in range(CLIENTS)]
        await asyncio.gather(*(client.connect() for client in clients))

        async def act(client: Client) -> None:
            for _ in range(STEPS):
                await client.step()

        await asyncio.gather(*(act(client) for client in clients))
        for client in clients:
            await client.say("NOOP")
            await client._learn()
        truth = Client(platform, account, seed * 1000 + 1)
        await truth.connect()
        assert len(truth.uids) > CLIENTS
        for client in clients:
            assert client.uids == truth.uids, client.name
            assert {uid: client.flags[uid] for uid in client.uids} == truth.flags, client.name
            await client.leave()
        await truth.leave()

    asyncio.run(live())
