"""The smtp-gateway's session around fakes: a connection in memory, a directory of three, a gate that keeps letters."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from directoryclient import Disposition, Identity, Resolution, Target, Unavailable
from eventbus import BusUnavailable
from mailmodel import AccountRef
from mailproto.sasl import TokenRefusal
from mailproto.sasl.scram import derive
from mailproto.sasl.scram_exchange import Candidate, Offer
from senderauth.dns import Resolve
from smtp_gateway.core.budget import Budget
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.checking import Checker
from smtp_gateway.edge.hooking import Hooked
from smtp_gateway.edge.load import Load
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.rooms import Rooms
from smtp_gateway.edge.screens import Screens
from smtp_gateway.edge.session import Session
from smtp_gateway.ports import Expansions, Judge, KeyRing, Policies, Suppressed
from smtp_gateway.settings import Settings
from spool import Letter

from tests.support.bearer import REFUSAL, TOKEN

TENANT = "tenant-foo"
PEOPLE = ("jones@foo.com", "brown@foo.com", "smith@foo.com")
OTHER_TENANT = "tenant-other"
# Aliases by address: who is behind them; other.com is another tenant's.
ALIASES = {
    "sales@foo.com": ("jones@foo.com", "brown@foo.com"),
    "jones.alias@foo.com": ("jones@foo.com",),
    "trap@other.com": ("jones@foo.com",),
    "büro@foo.com": ("jones@foo.com", "brown@foo.com"),
}


# Whom somebody may send as, and on whose behalf.
DELEGATES = {"smith@foo.com": (frozenset({"brown@foo.com"}), frozenset({"jones@foo.com"}))}


def _target(address: str) -> Target:
    return Target(address, f"id-{address}", TENANT)


class FakeDirectory:
    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        found = []
        for address in addresses:
            key = address.lower()
            tenant = OTHER_TENANT if key.endswith("@other.com") else TENANT
            if key in PEOPLE:
                found.append(Resolution(Disposition.DELIVER, (_target(key),), tenant))
            elif key in ALIASES:
                places = tuple(_target(address) for address in ALIASES[key])
                found.append(Resolution(Disposition.DELIVER, places, tenant))
            elif key.endswith(("@foo.com", "@other.com")):
                found.append(Resolution(Disposition.UNKNOWN, (), tenant))
            else:
                found.append(Resolution(Disposition.REMOTE, ()))
        return found

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        if login in PEOPLE and password == "right":
            return Identity(AccountRef(TENANT, f"id-{login}"), login, "default", *DELEGATES.get(login, ()))
        return None

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        return await self.authenticate(login, "right" if token == TOKEN else "", client_address) or REFUSAL

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        return None

    async def start_scram(self, login: str, client_address: str) -> Offer:
        if login == "away@foo.com":
            raise Unavailable("away")
        keys = derive("right", b"salt of sixteen.", 4096)
        return Offer(b"salt of sixteen.", 4096, [Candidate("c1", keys.stored_key, keys.server_key)])

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        return await self.authenticate(login, "right" if credential_id == "c1" else "", client_address)


class FakeGate:
    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.error: Exception | None = None
        self.connected = True

    async def accept(self, letter: Letter) -> None:
        if self.error is not None:
            raise self.error
        self.letters.append(letter)


class FakeLedger:
    """What eventbus.Ledger is to a session. Told of every change: `followers`."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.followers: list[Callable[[str, bytes], None]] = []
        self.away = False

    async def get(self, key: str) -> bytes | None:
        self._check()
        return self.kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self._check()
        self.kept[key] = value
        self._tell(key, value)

    async def remove(self, key: str) -> None:
        self._check()
        self.kept.pop(key, None)
        self._tell(key, b"")

    def _check(self) -> None:
        if self.away:
            raise BusUnavailable("away")

    def _tell(self, key: str, value: bytes) -> None:
        for follower in self.followers:
            follower(key, value)


class FakeConnection:
    """What servicekit.tcp.Connection is to a session."""

    id = "test"
    peer_host = "127.0.0.1"
    peer_port = 1
    is_tls = False
    peer_certificate = b""
    tls_version: str | None = None
    tls_cipher: str | None = None

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.incoming: list[bytes] = []
        self.said = bytearray()
        self.aborted = False

    async def read(self, timeout_seconds: float | None = None) -> bytes:
        return self.incoming.pop(0) if self.incoming else b""

    def write(self, data: bytes) -> None:
        self.said += data

    async def drain(self, timeout_seconds: float | None = None) -> None:
        return

    async def start_tls(self, context: object) -> None:
        self.is_tls, self.tls_version = True, "TLSv1.3"

    def abort(self) -> None:
        self.aborted = True


def settings(**values: object) -> Settings:
    defaults: dict[str, object] = {
        "s3_access_key_file": Path("/none"),
        "s3_secret_key_file": Path("/none"),
        "allow_plaintext_login": "loopback",
        "hostname": "gate.test",
    }
    given = {**defaults, **values}
    try:
        return _made(tuple(given.items()))
    except TypeError:
        # Among the values are some that cannot be remembered by.
        return Settings.model_validate(given)


@lru_cache(maxsize=64)
def _made(given: tuple[tuple[str, object], ...]) -> Settings:
    """Reading settings takes longer than most sessions."""
    return Settings.model_validate(dict(given))


class FakeQuestions:
    """Every message asks the same zone."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    def within(self, seconds: float) -> Resolve:
        return self._resolve


def _checker(zone: Resolve, configured: Settings) -> Checker:
    exempt = Networks(map(str, configured.sender_checks_exempt))
    return Checker(FakeQuestions(zone), configured.hostname, exempt, configured.sender_check_seconds)


def converse(
    role: Role,
    chunks: Sequence[bytes],
    gate: FakeGate | None = None,
    *,
    controls: Controls | None = None,
    clock: Callable[[], float] = time.monotonic,
    client: str = "127.0.0.1",
    zone: Resolve | None = None,
    signing_keys: KeyRing | None = None,
    policies: Policies | None = None,
    in_tls: bool = False,
    screens: Screens | None = None,
    hooks: tuple[Hooked, ...] = (),
    rooms: Rooms | None = None,
    judge: Judge | None = None,
    load: Load | None = None,
    expansions: Expansions | None = None,
    suppressed: Suppressed | None = None,
    **values: object,
) -> tuple[bytes, FakeGate, FakeConnection]:
    """Play what a client sends, chunk by chunk; what the gateway said, and what it accepted.

    With a zone it is asked who is speaking.
    """
    gate = gate or FakeGate()

    async def play() -> FakeConnection:
        connection = FakeConnection()
        connection.peer_host = client
        if in_tls:
            connection.is_tls, connection.tls_version = True, "TLSv1.3"
        connection.incoming = [chunk for chunk in chunks if chunk]
        configured = settings(**values)
        needs = Needs(
            configured,
            FakeDirectory(),
            gate,
            gate,
            Budget(configured.inflight_octets),
            tls=object(),  # type: ignore[arg-type]
            proxies=Networks(map(str, configured.proxy_networks)),
            introducers=Networks(map(str, configured.xclient_networks)),
            controls=controls or Controls.of(configured),
            clock=clock,
            checker=None if zone is None else _checker(zone, configured),
            signing_keys=signing_keys,
            policies=policies,
            screens=screens,
            hooks=hooks,
            rooms=rooms,
            judge=judge,
            load=load or Load(),
            expansions=expansions,
            suppressed=suppressed,
        )
        await Session(needs, role, connection).run()  # type: ignore[arg-type]
        return connection

    connection = asyncio.run(play())
    return bytes(connection.said), gate, connection
