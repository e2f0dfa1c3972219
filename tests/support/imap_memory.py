"""IMAP sessions without a network: imap's own connection over octets in memory, on a store in memory.

memory = Imap()
alice = memory.client("alice")          # has logged in
assert alice.say("SELECT INBOX")[-1].startswith("OK")
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import structlog
from directoryclient import Identity
from imap.adapters.spooling import Spooling
from imap.core.filling import Filler
from imap.edge.connection import Connections, Needs
from imap.settings import Settings
from mailmodel import AccountRef
from mailproto.sasl import TokenRefusal
from mailproto.sasl.scram import derive
from mailproto.sasl.scram_exchange import Candidate, Offer
from mailstore import MailboxChange

from tests.support.bearer import REFUSAL, TOKEN
from tests.support.memory_store import MemoryStore

PASSWORD = "secret"
# Enough turns for a session to do all it can without new octets.
TURNS = 40
T = TypeVar("T")


class Wire:
    """Stands for a servicekit.tcp.Connection."""

    def __init__(self, number: int, *, is_tls: bool) -> None:
        self.id = str(number)
        self.peer_host = "127.0.0.1"
        self.peer_certificate = b""
        self.is_tls = is_tls
        self.draining = asyncio.Event()
        self.sent = bytearray()
        self.is_over = False
        self.is_full = False
        # Whether each read gives one octet, as if it had come by itself.
        self.splits = False
        self._arrived: list[bytes] = []
        self._waiting: asyncio.Future[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether the server wants octets and has none."""
        return self._waiting is not None and not self._waiting.done()

    def feed(self, data: bytes) -> None:
        self._arrived.append(data)
        if self.waits:
            assert self._waiting is not None
            self._waiting.set_result(None)

    async def read(self, timeout_seconds: float | None = None) -> bytes:
        while not self._arrived:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        data = b"".join(self._arrived)
        kept = data[1:] if self.splits else b""
        self._arrived = [kept] if kept else []
        return data[:1] if self.splits else data

    async def attend(self, take: Callable[[bytes], bool], timeout_seconds: float) -> bool:
        while data := await self.read(timeout_seconds):
            if not take(data):
                return True
        return False

    def write(self, data: bytes) -> None:
        self.sent += data

    async def drain(self, timeout_seconds: float | None = None) -> None:
        return

    async def start_tls(self, context: ssl.SSLContext) -> None:
        self.is_tls = True

    def end(self) -> None:
        self.feed(b"")


class _Directory:
    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        if password != PASSWORD:
            return None
        return Identity(AccountRef("tenant", login), f"{login}@example.test", "store")

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        return await self.authenticate(login, PASSWORD if token == TOKEN else "", client_address) or REFUSAL

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        named = certificate.decode()
        return await self.authenticate(named, PASSWORD if login in ("", named) else "", client_address)

    async def start_scram(self, login: str, client_address: str) -> Offer:
        keys = derive(PASSWORD, b"salt of sixteen.", 4096)
        return Offer(b"salt of sixteen.", 4096, [Candidate("c1", keys.stored_key, keys.server_key)])

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        return await self.authenticate(login, PASSWORD if credential_id == "c1" else "", client_address)


class _Changes:
    hears = True

    def __init__(self) -> None:
        self.told: dict[str, list[Callable[[int, int], None]]] = {}
        self.renewed: dict[str, dict[Callable[[int, int], None], Callable[[int], None]]] = {}

    def tell(self, change: MailboxChange) -> None:
        if change.keys:
            for renewed in self.renewed.get(change.account.account_id, {}).values():
                renewed(change.mailbox_id)
            return
        for told in self.told.get(change.account.account_id, []):
            told(change.mailbox_id, change.highest_modseq)

    async def listen(
        self,
        account: AccountRef,
        told: Callable[[int, int], None],
        renewed: Callable[[int], None] | None = None,
    ) -> "_Listening":
        self.told.setdefault(account.account_id, []).append(told)
        if renewed is not None:
            self.renewed.setdefault(account.account_id, {})[told] = renewed
        return _Listening(self.told[account.account_id], told)


class _Listening:
    def __init__(self, all_told: list[Callable[[int, int], None]], told: Callable[[int, int], None]) -> None:
        self._all, self._told = all_told, told

    async def stop(self) -> None:
        self._all.remove(self._told)


class Client:
    """One session."""

    def __init__(self, memory: "Imap", wire: Wire, task: "asyncio.Task[None]") -> None:
        self._memory = memory
        self._wire = wire
        self._task = task
        self._tags = 0

    def exchange(self, data: bytes) -> bytes:
        """Send octets; what the server says until it waits again."""
        if data:
            self._wire.feed(data)
        self._memory.settle()
        said = bytes(self._wire.sent)
        self._wire.sent.clear()
        return said

    def say(self, command: str | bytes) -> list[str]:
        """A command without its tag; the lines of the answer, the tagged one last and without its tag."""
        self._tags += 1
        tag = f"t{self._tags}"
        octets = command.encode() if isinstance(command, str) else command
        said = self.exchange(tag.encode() + b" " + octets + b"\r\n").decode("utf-8", "surrogateescape")
        lines = said.split("\r\n")
        assert lines.pop() == "", said
        assert lines, f"the server is silent after {command!r}"
        assert lines[-1].startswith(f"{tag} "), said
        lines[-1] = lines[-1].removeprefix(f"{tag} ")
        return lines

    def raw(self, command: str | bytes) -> bytes:
        """Like `say`, as octets and with the tag `x`."""
        return self.exchange(b"x " + (command.encode() if isinstance(command, str) else command) + b"\r\n")

    def heard(self) -> list[str]:
        """What the server says by itself."""
        return self.exchange(b"").decode().split("\r\n")[:-1]

    def append(self, message: str | bytes, mailbox: str = "INBOX", flags: str = "") -> str:
        """APPEND; the answer."""
        octets = message if isinstance(message, bytes) else message.replace("\n", "\r\n").encode()
        words = f"APPEND {mailbox} {flags}{' ' if flags else ''}{{{len(octets)}+}}\r\n".encode()
        return self.say(words + octets)[-1]

    @property
    def is_over(self) -> bool:
        return self._task.done()


class Imap:
    """A server in memory with its own event loop. Close it."""

    def __init__(
        self,
        *,
        store: Callable[[Callable[[MailboxChange], None]], Awaitable[Any]] | None = None,
        directory: Any = None,
        people: Any = None,
        policies: Any = None,
        keeps_texts: bool = False,
        opened: Any = None,
        scripted: Any = None,
        **settings: Any,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self.changes = _Changes()
        # The real one, where a test brings it.
        self.store: Any = MemoryStore(self.changes.tell)
        if store is not None:
            self.store = self.wait_for(store(self.changes.tell))
        # Works when it is told to: `imap.wait_for(imap.filler.work())`.
        self.filler = Filler(self.store, policies, structlog.get_logger()) if keeps_texts else None
        values = {"allow_plaintext_login": "loopback", "login_penalty_seconds": 0.0, **settings}
        needs = Needs(
            Settings.model_construct(
                **{name: field.default for name, field in Settings.model_fields.items()} | values
            ),
            cast(Any, directory or _Directory()),
            cast(Any, self.store),
            cast(Any, self.changes),
            None,
            structlog.get_logger(),
            people,
            policies,
            self.filler,
            Spooling("", 1 << 30).take,
            opened,
            scripted,
        )
        self._connections = Connections(needs)
        self._wires: list[Wire] = []
        self._tasks: list[asyncio.Task[None]] = []

    def wait_for(self, work: Awaitable[T]) -> T:
        """What comes of it."""

        async def done() -> T:
            return await work

        return self._loop.run_until_complete(done())

    def connect(
        self,
        *,
        is_tls: bool = False,
        certificate: bytes = b"",
        splits: bool = False,
        peer_host: str = "127.0.0.1",
    ) -> Client:
        """A session that has not logged in; the greeting waits."""
        wire = Wire(len(self._wires) + 1, is_tls=is_tls)
        wire.splits = splits
        wire.peer_host = peer_host
        wire.peer_certificate = certificate
        self._wires.append(wire)

        async def start() -> "asyncio.Task[None]":
            return asyncio.create_task(self._connections.serve(cast(Any, wire)))

        task = self._loop.run_until_complete(start())
        self._tasks.append(task)
        return Client(self, wire, task)

    def client(self, login: str = "alice", select: str = "") -> Client:
        """A session that has logged in, and selected a mailbox."""
        client = self.connect()
        client.exchange(b"")
        assert client.say(f"LOGIN {login} {PASSWORD}")[-1].startswith("OK")
        if select:
            assert client.say(f"SELECT {select}")[-1].startswith("OK")
        return client

    def settle(self) -> None:
        """Until every session waits for octets (or is over)."""

        async def turn() -> None:
            quiet = 0
            for number in range(100_000):
                # Whoever waits so long waits for something outside.
                await asyncio.sleep(0 if number < 20_000 else 0.001)
                busy = any(
                    not (wire.waits or task.done())
                    for wire, task in zip(self._wires, self._tasks, strict=True)
                )
                quiet = 0 if busy else quiet + 1
                if quiet > TURNS:
                    break
            else:
                raise AssertionError("the server does not come to rest")
            for task in self._tasks:
                if task.done():
                    task.result()

        self._loop.run_until_complete(turn())

    def close(self) -> None:
        """End all sessions."""

        async def end() -> None:
            for wire in self._wires:
                wire.feed(b"")
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._loop.run_until_complete(end())
        self._loop.close()
