"""The POP3 service's session, driven over a connection in memory: faults of the stores, locks, drain, plaintext."""

import asyncio
import ssl
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, cast

import pytest
import structlog
from directoryclient import Identity, Throttled
from directoryclient import Unavailable as DirectoryUnavailable
from mailmodel import AccountRef
from mailproto.pop3.maildrop import Maildrop
from mailproto.sasl import TokenRefusal
from mailproto.sasl.scram import derive
from mailproto.sasl.scram_exchange import Candidate, Offer
from pop3 import metrics
from pop3.edge.session import Needs, Session
from pop3.ports import MessageGone, Unavailable
from pop3.settings import Settings
from servicekit.sessions import Sessions
from servicekit.tcp import Connection

from tests.support.bearer import REFUSAL, RESPONSES, TOKEN, why_not
from tests.support.scram import ScramClient

ALICE = AccountRef("t", "alice")
MESSAGES = [b"Subject: one\r\n\r\n.first\r\n", b"Subject: two\r\n\r\nsecond\r\n"]


class Wire:
    """Stands for a `servicekit.tcp.Connection`: what the client sends is fed, what it gets is kept."""

    def __init__(self, peer_host: str = "127.0.0.1") -> None:
        self.id = "1"
        self.peer_host = peer_host
        self.is_tls = False
        self.peer_certificate = b""
        self.draining = asyncio.Event()
        self.sent = bytearray()
        self.writes: list[bytes] = []
        self.aborted = False
        self.closed = False
        self.owner: tuple[str, str, str] | None = None
        self.tls_started = 0
        self.is_full = False
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.answered = asyncio.Event()

    def feed(self, data: bytes) -> None:
        self._arrived.put_nowait(data)

    async def read(self, timeout_seconds: float | None = None) -> bytes:
        self.answered.set()
        return await self._arrived.get()

    async def attend(self, take: Callable[[bytes], bool], timeout_seconds: float) -> bool:
        while data := await self.read(timeout_seconds):
            if not take(data):
                return True
        return False

    def write(self, data: bytes) -> None:
        self.sent += data
        self.writes.append(data)

    async def drain(self, timeout_seconds: float | None = None) -> None:
        await asyncio.sleep(0)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        self.tls_started += 1

    async def close(self) -> None:
        self.closed = True
        self.feed(b"")

    def abort(self) -> None:
        self.aborted = True


class Drop:
    def __init__(self, drops: "Drops") -> None:
        self._drops = drops
        self.contents = Maildrop([len(content) for content in MESSAGES], lambda number: b"1.%d" % number)

    def at_hand(self, number: int) -> bytes | None:
        return MESSAGES[number - 1] if number in self._drops.at_hand else None

    async def read(self, number: int, first_chunk_octets: int) -> AsyncGenerator[bytes, None]:
        content = MESSAGES[number - 1]
        for position, start in enumerate(range(0, len(content), 8)):
            if self._drops.fail_read_at == position:
                raise self._drops.read_failure
            yield content[start : start + 8]

    async def remove(self, numbers: Sequence[int], retrieved: Sequence[int]) -> int:
        if self._drops.remove_fails:
            raise Unavailable("away")
        self._drops.removed = list(numbers)
        return len(numbers)

    async def close(self) -> None:
        self._drops.locked = False


class Drops:
    def __init__(self) -> None:
        self.locked = False
        self.removed: list[int] | None = None
        self.remove_fails = False
        self.unavailable = False
        self.at_hand: set[int] = set()
        self.fail_read_at = -1
        self.read_failure: Exception = Unavailable("away")

    async def open(self, account: AccountRef) -> Drop | None:
        if self.unavailable:
            raise Unavailable("away")
        if self.locked:
            return None
        self.locked = True
        return Drop(self)


class Book:
    def __init__(self) -> None:
        self.proofs: list[tuple[str, str]] = []

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        if password == "away":
            raise DirectoryUnavailable("away")
        if password == "one guess too many":
            raise Throttled(2.0)
        return (
            Identity(ALICE, "alice@example.test", "default")
            if (login, password) == ("alice", "secret")
            else None
        )

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        if token == "away":
            raise DirectoryUnavailable("away")
        return await self.authenticate(login, "secret" if token == TOKEN else "", client_address) or REFUSAL

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        return None

    async def start_scram(self, login: str, client_address: str) -> Offer:
        if login == "away":
            raise DirectoryUnavailable("away")
        if login == "guessed":
            raise Throttled(2.0)
        keys = derive("secret", b"salt of sixteen.", 4096)
        known = [Candidate("c1", keys.stored_key, keys.server_key)] if login == "alice" else []
        return Offer(b"salt of sixteen.", 4096, known)

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        self.proofs.append((login, credential_id))
        return Identity(ALICE, "alice@example.test", "default") if credential_id == "c1" else None


class House:
    """The service's sessions with everything around them in memory."""

    def __init__(self, **settings: Any) -> None:
        self.drops = Drops()
        self.book = Book()
        values = {"allow_plaintext_login": "loopback", "hostname": "mail.example.test", **settings}
        needs = Needs(
            Settings.model_construct(**{**_defaults(), **values}),
            self.book,
            self.drops,
            cast(ssl.SSLContext, object()),
            structlog.get_logger(),
        )
        self.sessions = Sessions(lambda connection: Session(connection, needs))

    async def play(self, data: bytes, wire: Wire | None = None) -> bytes:
        """All that the server says to a client that sends this and then hangs up."""
        wire = wire or Wire()
        wire.feed(data)
        wire.feed(b"")
        await self.sessions.serve(cast(Connection, wire))
        return bytes(wire.sent)


def _defaults() -> dict[str, Any]:
    return {name: field.default for name, field in Settings.model_fields.items()}


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until it is so."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never became so")


LOGIN = b"USER alice\r\nPASS secret\r\n"


async def test_a_session_from_greeting_to_quit() -> None:
    house = House()
    said = await house.play(LOGIN + b"RETR 1\r\nDELE 1\r\nUIDL\r\nQUIT\r\n")
    assert said.startswith(b"+OK mail.example.test POP3 ready\r\n")
    assert b"+OK 24 octets\r\nSubject: one\r\n\r\n..first\r\n.\r\n" in said
    assert b"2 1.2\r\n.\r\n" in said
    assert said.endswith(b"signing off (1 message)\r\n")
    assert house.drops.removed == [1]
    assert not house.drops.locked


@pytest.mark.parametrize("ending", [b"", b"DELE 2\r\n", b"RETR 1"])
async def test_a_client_that_is_gone_removes_nothing_and_frees_the_maildrop(ending: bytes) -> None:
    house = House()
    await house.play(LOGIN + b"DELE 1\r\n" + ending)
    assert house.drops.removed is None
    assert not house.drops.locked


async def test_a_second_session_is_told_that_the_maildrop_is_in_use() -> None:
    house = House()
    first = Wire()
    first.feed(LOGIN)
    task = asyncio.create_task(house.sessions.serve(cast(Connection, first)))
    await first.answered.wait()
    await until(lambda: b"maildrop has" in first.sent)
    assert b"-ERR [IN-USE] " in await house.play(LOGIN)
    first.feed(b"")
    await task
    assert b"+OK maildrop has 2" in await house.play(LOGIN)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"PASS wrong\r\n", b"-ERR [AUTH] "),
        (b"PASS away\r\n", b"-ERR [SYS/TEMP] "),
        (b"PASS one guess too many\r\n", b"-ERR [SYS/TEMP] "),
    ],
)
async def test_refused_and_unwell_are_told_apart(line: bytes, answer: bytes) -> None:
    assert answer in await House().play(b"USER alice\r\n" + line)


async def test_whose_a_connection_is_is_said_before_its_maildrop_opens_and_taken_back_where_it_does_not() -> (
    None
):
    house, wire, while_opening = House(), Wire(), []
    opened = house.drops.open

    async def open_drop(account: AccountRef) -> Drop | None:
        while_opening.append(wire.owner)
        return await opened(account)

    house.drops.open = open_drop  # type: ignore[method-assign]
    house.drops.unavailable = True
    await house.play(LOGIN, wire)
    assert (while_opening, wire.owner) == ([("t", "alice", "")], None)
    house.drops.unavailable, house.drops.locked = False, True
    await house.play(LOGIN, wire)
    assert wire.owner is None
    house.drops.locked = False
    await house.play(LOGIN, wire)
    assert wire.owner == ("t", "alice", "")
    assert len(while_opening) == 3


async def test_store_away_at_login() -> None:
    house = House()
    house.drops.unavailable = True
    assert b"-ERR [SYS/TEMP] " in await house.play(LOGIN)


async def test_a_failed_update_is_told_and_frees_the_maildrop() -> None:
    house = House()
    house.drops.remove_fails = True
    said = await house.play(LOGIN + b"DELE 1\r\nQUIT\r\n")
    assert said.endswith(b"-ERR [SYS/TEMP] The deleted messages were not removed\r\n")
    assert not house.drops.locked


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (Unavailable("away"), b"-ERR [SYS/TEMP] The message can't be read now\r\n"),
        # RFC 3206 §4: asking again does not help.
        (MessageGone(), b"-ERR [SYS/PERM] The message can't be read any more\r\n"),
    ],
)
async def test_a_message_that_can_not_be_read_leaves_the_session_alive(
    failure: Exception, answer: bytes
) -> None:
    house = House()
    house.drops.fail_read_at, house.drops.read_failure = 0, failure
    said = await house.play(LOGIN + b"RETR 1\r\nNOOP\r\n")
    assert said.endswith(answer + b"+OK done\r\n")


async def test_half_a_message_is_never_ended_with_a_dot() -> None:
    house = House()
    house.drops.fail_read_at = 2
    wire = Wire()
    with pytest.raises(ConnectionAbortedError):
        await house.play(LOGIN + b"RETR 1\r\n", wire)
    assert wire.aborted
    assert b"\r\n.\r\n" not in wire.sent
    assert not house.drops.locked


RETR_BOTH = b"RETR 1\r\nRETR 2\r\nTOP 2 0\r\nDELE 1\r\nRETR 1\r\nNOOP\r\n"


@pytest.mark.parametrize("at_hand", [{1}, {2}, {1, 2}])
async def test_what_is_at_hand_is_said_as_what_is_read(at_hand: set[int]) -> None:
    expected = await House().play(LOGIN + RETR_BOTH)
    assert b"..first\r\n.\r\n" in expected
    house = House()
    house.drops.at_hand = at_hand
    counted = metrics.RETRIEVED._value.get(), metrics.RETRIEVED_OCTETS._value.get()
    assert await house.play(LOGIN + RETR_BOTH) == expected
    assert metrics.RETRIEVED._value.get() - counted[0] == 2
    # A TOP that cuts by itself has read as far as it needed.
    assert metrics.RETRIEVED_OCTETS._value.get() - counted[1] >= sum(map(len, MESSAGES))


ALONE = [
    b"RETR 1\r\n",
    b"retr 2\r\n",
    b"RETR 1\r\n",
    b"RETR 3\r\n",
    b"DELE 1\r\n",
    b"RETR 1\r\n",
    b"RETR 2\r\n",
    b"UTF8\r\n",
]


@pytest.mark.parametrize("at_hand", [set(), {1}, {1, 2}])
@pytest.mark.parametrize("first", [b"", b"NO", b"NOOP\r\nLI"])
async def test_commands_one_by_one_are_answered_as_those_that_come_together(
    at_hand: set[int], first: bytes
) -> None:
    # Something of another command may have come before.
    rest = {b"": b"", b"NO": b"OP\r\n", b"NOOP\r\nLI": b"ST\r\n"}[first]
    expected = await House().play(LOGIN + first + rest + b"".join(ALONE))
    house = House()
    house.drops.at_hand = at_hand
    counted = metrics.RETRIEVED._value.get()
    wire = Wire()
    for piece in (LOGIN, first, rest + ALONE[0] if first else ALONE[0], *ALONE[1:]):
        if piece:
            wire.feed(piece)
    assert await house.play(b"", wire) == expected
    assert metrics.RETRIEVED._value.get() - counted == 4


async def test_a_lone_command_within_another_is_not_taken_for_itself() -> None:
    house = House()
    house.drops.at_hand = {1}
    wire = Wire()
    for piece in (LOGIN, b"NOOP ", b"RETR 1\r\n", b"x" * 300, b"RETR 1\r\n", b"RETR 1\r\n"):
        wire.feed(piece)
    said = await house.play(b"", wire)
    assert said.count(b"+OK 24 octets") == 1
    assert said.endswith(b"..first\r\n.\r\n")


async def test_answers_to_commands_that_came_together_go_out_together() -> None:
    house = House()
    house.drops.at_hand = {1, 2}
    wire = Wire()
    wire.feed(LOGIN)
    task = asyncio.create_task(house.sessions.serve(cast(Connection, wire)))
    await until(lambda: b"maildrop has" in wire.sent)
    before = len(wire.writes)
    wire.feed(b"RETR 1\r\nRETR 2\r\nDELE 1\r\nNOOP\r\n")
    wire.feed(b"")
    await task
    assert len(wire.writes) == before + 1
    assert wire.writes[-1].endswith(b"second\r\n.\r\n+OK message 1 deleted\r\n+OK done\r\n")


@pytest.mark.parametrize(
    ("policy", "peer_host", "allowed"),
    [
        ("loopback", "127.0.0.1", True),
        ("loopback", "::1", True),
        ("loopback", "::ffff:127.0.0.1", True),
        ("loopback", "192.0.2.7", False),
        ("loopback", "", False),
        ("never", "127.0.0.1", False),
    ],
)
async def test_who_may_log_in_without_tls(policy: str, peer_host: str, allowed: bool) -> None:
    said = await House(allow_plaintext_login=policy).play(LOGIN, Wire(peer_host))
    assert (b"+OK maildrop has" in said) is allowed
    assert (b"-ERR A password needs TLS first" in said) is not allowed


async def test_stls_then_login() -> None:
    wire = Wire("192.0.2.7")
    house = House()
    task = asyncio.create_task(house.sessions.serve(cast(Connection, wire)))
    wire.feed(b"STLS\r\nUSER eve\r\n")
    await until(lambda: wire.tls_started == 1)
    wire.feed(b"PASS secret\r\n" + LOGIN)
    wire.feed(b"")
    await task
    assert bytes(wire.sent).endswith(
        b"+OK Begin TLS negotiation\r\n-ERR USER comes first\r\n+OK Password, please\r\n"
        b"+OK maildrop has 2 messages (48 octets)\r\n"
    )


async def test_at_the_drain_an_idle_session_is_told_and_removes_nothing() -> None:
    house = House()
    wire = Wire()
    wire.feed(LOGIN + b"DELE 1\r\n")
    task = asyncio.create_task(house.sessions.serve(cast(Connection, wire)))
    await until(lambda: b"deleted" in wire.sent)
    await asyncio.sleep(0)
    draining = asyncio.Event()
    draining.set()
    await house.sessions.end_at_drain(draining)
    await task
    assert bytes(wire.sent).endswith(b"-ERR [SYS/TEMP] The server is going down, come back soon\r\n")
    assert house.drops.removed is None
    assert not house.drops.locked


class Transport(asyncio.Transport):
    """The other end of a real Connection."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.sent = bytearray()
        self.protocol: asyncio.Protocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        assert self.protocol is not None
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


@pytest.mark.parametrize("last", [b"QUIT\r\n", b"RETR 1\r\n"])
async def test_who_is_sent_away_at_the_drain_just_as_it_asks_for_more_is_not_served_any_more(
    last: bytes,
) -> None:
    """Its command has been read, and nobody has come to it yet."""
    house = House()
    transport, connection = Transport(), Connection(asyncio.Event())
    transport.protocol = connection
    connection.connection_made(transport)
    task = asyncio.create_task(house.sessions.serve(connection))
    await until(lambda: b"ready" in transport.sent)
    connection.data_received(LOGIN)
    await until(lambda: b"maildrop has" in transport.sent)
    connection.data_received(b"DELE 2\r\n")
    await until(lambda: b"deleted" in transport.sent)
    [session] = house.sessions._open
    ending = asyncio.create_task(session.end_if_idle())
    connection.data_received(last)
    await asyncio.gather(ending, task)
    assert bytes(transport.sent).endswith(b"-ERR [SYS/TEMP] The server is going down, come back soon\r\n")
    assert house.drops.removed is None


class Dialogue:
    """A session whose client waits for each answer."""

    def __init__(self, house: House) -> None:
        self._wire = Wire()
        self._seen = 0
        self._task = asyncio.create_task(house.sessions.serve(cast(Connection, self._wire)))

    async def __call__(self, line: bytes) -> bytes:
        if line:
            self._wire.feed(line + b"\r\n")
        await until(lambda: len(self._wire.sent) > self._seen)
        await until(lambda: bool(self._wire.sent.endswith(b"\r\n")))
        said = bytes(self._wire.sent[self._seen :])
        self._seen = len(self._wire.sent)
        return said.removesuffix(b"\r\n")

    async def end(self) -> None:
        self._wire.feed(b"")
        await self._task


async def scram(say: Dialogue, client: ScramClient, initial: bool = True) -> bytes:
    """As far as the server goes along; its last answer."""
    if initial:
        said = await say(b"AUTH SCRAM-SHA-256 " + client.first())
    else:
        assert await say(b"AUTH SCRAM-SHA-256") == b"+ "
        said = await say(client.first())
    if said.startswith(b"-ERR"):
        return said
    said = await say(client.answer(said.removeprefix(b"+ ")))
    if said.startswith(b"-ERR"):
        return said
    client.check(said.removeprefix(b"+ "))
    return await say(b"=")


@pytest.mark.parametrize("initial", [True, False])
async def test_scram_lets_in_without_the_password(initial: bool) -> None:
    house = House()
    say = Dialogue(house)
    await say(b"")
    assert b"SASL SCRAM-SHA-256 PLAIN LOGIN" in await say(b"CAPA")
    assert await scram(say, ScramClient("alice", "secret"), initial) == (
        b"+OK maildrop has 2 messages (48 octets)"
    )
    assert house.book.proofs == [("alice", "c1")]
    assert (await say(b"STAT")).startswith(b"+OK 2 ")
    await say.end()
    assert not house.drops.locked


@pytest.mark.parametrize(
    ("login", "password", "answer", "proofs"),
    [
        ("alice", "wrong", b"-ERR [AUTH]", [("alice", "")]),
        ("nobody", "secret", b"-ERR [AUTH]", [("nobody", "")]),
        ("away", "secret", b"-ERR [SYS/TEMP]", []),
        ("guessed", "secret", b"-ERR [SYS/TEMP]", []),
    ],
)
async def test_scram_refused(login: str, password: str, answer: bytes, proofs: list[tuple[str, str]]) -> None:
    house = House()
    say = Dialogue(house)
    await say(b"")
    assert (await scram(say, ScramClient(login, password))).startswith(answer)
    assert house.book.proofs == proofs
    # A command is a command again.
    assert (await say(b"USER alice")).startswith(b"+OK")
    assert (await say(b"PASS secret")).startswith(b"+OK")
    await say.end()


async def test_who_breaks_off_after_the_proof_is_not_in() -> None:
    house = House()
    say = Dialogue(house)
    await say(b"")
    client = ScramClient("alice", "secret")
    said = await say(b"AUTH SCRAM-SHA-256 " + client.first())
    await say(client.answer(said.removeprefix(b"+ ")))
    assert (await say(b"*")).startswith(b"-ERR")
    await say.end()
    assert not house.drops.locked


async def test_a_line_without_end_in_place_of_the_last_one_ends_the_session() -> None:
    house = House()
    say = Dialogue(house)
    await say(b"")
    client = ScramClient("alice", "secret")
    said = await say(b"AUTH SCRAM-SHA-256 " + client.first())
    await say(client.answer(said.removeprefix(b"+ ")))
    assert house.drops.locked
    # Nobody comes in on this connection any more: the maildrop that is open for it would be forgotten, and locked for ever.
    assert await say(b"x" * 20_000 + b"\r\nUSER alice\r\nPASS secret") == b"-ERR Line too long"
    await say.end()
    assert not house.drops.locked


async def test_an_installation_may_offer_no_scram() -> None:
    said = await House(scram="off").play(b"CAPA\r\nAUTH SCRAM-SHA-256\r\n")
    assert b"SASL PLAIN LOGIN\r\n" in said
    assert said.endswith(b"-ERR Unknown mechanism\r\n")


@pytest.mark.parametrize("mechanism", RESPONSES)
async def test_a_token_in_place_of_the_password(mechanism: bytes) -> None:
    house = House(oauth="on")
    say = Dialogue(house)
    await say(b"")
    assert b"SASL SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN" in await say(b"CAPA")
    assert await say(b"AUTH " + mechanism) == b"+ "
    told = await say(RESPONSES[mechanism]("alice", "bad"))
    assert why_not(told.removeprefix(b"+ "))["scope"] == "mail"
    assert (await say(b"=")).startswith(b"-ERR [AUTH]")
    assert await say(b"AUTH " + mechanism) == b"+ "
    assert (await say(RESPONSES[mechanism]("alice", "away"))).startswith(b"-ERR [SYS/TEMP]")
    assert await say(b"AUTH " + mechanism) == b"+ "
    assert await say(RESPONSES[mechanism]("alice")) == b"+OK maildrop has 2 messages (48 octets)"
    assert (await say(b"STAT")).startswith(b"+OK 2 ")
    await say.end()
    assert not house.drops.locked


async def test_tokens_are_offered_only_where_the_installation_says_so() -> None:
    said = await House().play(b"AUTH OAUTHBEARER\r\n")
    assert said.endswith(b"-ERR Unknown mechanism\r\n")


class SlowWire(Wire):
    """A client that reads when it is told to; its connection is full beyond 256 KiB."""

    def __init__(self) -> None:
        super().__init__()
        self.room = asyncio.Event()
        self.most = 0

    @property
    def is_full(self) -> bool:
        return len(self.sent) > 256 * 1024

    @is_full.setter
    def is_full(self, value: bool) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.sent += data
        self.most = max(self.most, len(self.sent))

    async def drain(self, timeout_seconds: float | None = None) -> None:
        while self.is_full:
            self.room.clear()
            await self.room.wait()

    def take_all(self) -> int:
        taken = len(self.sent)
        self.sent.clear()
        self.room.set()
        return taken


async def test_messages_at_hand_wait_for_a_client_that_reads_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    large = b"Subject: x\r\n\r\n" + b"a line of some length\r\n" * 1000
    monkeypatch.setattr(sys.modules[__name__], "MESSAGES", [large] * 2)
    house = House()
    house.drops.at_hand = {1, 2}
    wire = SlowWire()
    wire.feed(LOGIN)
    task = asyncio.create_task(house.sessions.serve(cast(Connection, wire)))
    await until(lambda: b"maildrop has" in wire.sent)
    for _ in range(20):
        wire.feed(b"RETR 1\r\nRETR 2\r\n" * 10)
    wire.feed(b"")
    for _ in range(300):
        await asyncio.sleep(0)
    # Of 9 MB no more is made than there is room for.
    assert len(wire.sent) < 512 * 1024
    received = 0
    while not task.done():
        received += wire.take_all()
        for _ in range(5):
            await asyncio.sleep(0)
    received += wire.take_all()
    assert received > 400 * len(large)
    assert wire.most < 512 * 1024


async def test_who_is_not_in_yet_may_not_be_slower_to_read_than_to_speak() -> None:
    given: list[float | None] = []

    class Patient(Wire):
        async def drain(self, timeout_seconds: float | None = None) -> None:
            given.append(timeout_seconds)

    house = House(login_seconds=60.0, idle_seconds=900.0)
    assert b"maildrop has" in await house.play(b"CAPA\r\n" + LOGIN + b"STAT\r\nQUIT\r\n", Patient())
    before = [each for each in given if each is not None and each <= 60.0]
    assert before
    assert given == before + [900.0] * (len(given) - len(before))
    assert len(given) > len(before)
