"""One ManageSieve connection: moves octets between `servicekit.tcp` and the machine of `mailproto.managesieve`, and
does what the machine's events ask for. A script is compiled before it is kept: what is here can run.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import Protocol, assert_never

from directoryclient import Identity
from directoryclient import Unavailable as DirectoryUnavailable
from mailmodel import AccountRef
from mailproto.managesieve import events
from mailproto.managesieve.events import Event, Order
from mailproto.managesieve.responses import Code
from mailproto.managesieve.server import ManageSieveServer, Offer
from mailproto.sasl import BEARER_MECHANISMS, EXTERNAL, MECHANISMS, TokenRefusal
from mailproto.sasl.scram import ChannelBinding
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, SCRAM_MECHANISMS
from mailproto.sasl.scram_exchange import Offer as ScramOffer
from mailstore import ScriptActive, ScriptExists, ScriptMissing, ScriptStore, StoreUnavailable, TooManyScripts
from servicekit.addresses import is_loopback
from servicekit.tcp import Connection
from sieve import ScriptError, compile_script
from sieve.capabilities import LIST_SCHEMES, NOTIFY_METHODS, advertised
from sieve.limits import DEFAULT_LIMITS
from sieve.offered import OFFERED
from structlog.typing import FilteringBoundLogger

from managesieve import metrics
from managesieve.settings import Settings

GOING_DOWN = "The server is going down, come back soon"


class Directory(Protocol):
    """Who is who."""

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        """Whose login and password these are. Raises directoryclient.Unavailable."""

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        """Whom the token lets in, or why nobody. Raises directoryclient.Unavailable."""

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        """Whom the client's certificate (DER) lets in. Raises directoryclient.Throttled and Unavailable."""

    async def start_scram(self, login: str, client_address: str) -> ScramOffer:
        """What a SCRAM exchange needs. Raises the same."""

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        """Whom the proof of this credential lets in; "" is a wrong one. Raises the same."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What all sessions share."""

    settings: Settings
    directory: Directory
    scripts: ScriptStore
    tls: ssl.SSLContext | None
    log: FilteringBoundLogger


def _mechanisms(settings: Settings) -> tuple[bytes, ...]:
    """The best first."""
    offered: tuple[bytes, ...] = (EXTERNAL,) if settings.tls_client_authorities_file is not None else ()
    if settings.scram != "off":
        offered += BOUND_SCRAM_MECHANISMS if settings.scram == "plus" else SCRAM_MECHANISMS
    return (*offered, *(BEARER_MECHANISMS if settings.oauth == "on" else ()), *MECHANISMS)


class Session:
    """One connection's life."""

    def __init__(self, connection: Connection, needs: Needs) -> None:
        self._connection = connection
        self._needs = needs
        self._log = needs.log.bind(connection=connection.id, peer_host=connection.peer_host)
        settings = needs.settings
        self._machine = ManageSieveServer(
            Offer(
                implementation="Posthouse",
                extensions=advertised(OFFERED),
                script_octets=settings.script_octets,
                most_redirects=DEFAULT_LIMITS.redirects,
                notify=NOTIFY_METHODS,
                ext_lists=LIST_SCHEMES,
                mechanisms=_mechanisms(settings),
            ),
            tls_offered=needs.tls is not None,
            tls_active=connection.is_tls,
            plaintext_allowed=settings.allow_plaintext_login == "loopback"
            and is_loopback(connection.peer_host),
        )
        self._bind()
        self._account: AccountRef | None = None
        self._login_until = time.monotonic() + settings.login_seconds
        self._idle = False

    async def live(self) -> None:
        """Until the client or we have had enough."""
        machine, connection = self._machine, self._connection
        await self._send()
        while True:
            while (event := machine.next_event()) is not None:
                await self._do(event)
                await self._send()
                if isinstance(event, events.Close):
                    return
            await self._send()
            if connection.draining.is_set():
                machine.say_goodbye(GOING_DOWN)
                continue
            try:
                self._idle = True
                data = await connection.read(self._patience_seconds())
            except TimeoutError:
                machine.say_goodbye("Idle for too long")
                continue
            finally:
                self._idle = False
            if not data:
                return
            machine.receive(data)

    async def end_if_idle(self) -> None:
        """At the drain: tell a client that is silent, and close. Its read then sees the end of the stream."""
        if self._idle:
            self._machine.say_goodbye(GOING_DOWN)
            self._connection.write(self._machine.data_to_send())
            await self._connection.close()

    def _patience_seconds(self) -> float:
        if self._account is not None:
            return self._needs.settings.idle_seconds
        return max(0.0, self._login_until - time.monotonic())

    async def _send(self) -> None:
        """Send what waits; a client that does not read for too long is cut off (TimeoutError)."""
        data = self._machine.data_to_send()
        if data:
            self._connection.write(data)
            async with asyncio.timeout(self._needs.settings.idle_seconds):
                await self._connection.drain()

    def _bind(self) -> None:
        """What TLS tells of the client, and what an exchange may be bound to."""
        connection = self._connection
        self._machine.has_certificate = connection.peer_certificate != b""
        if self._needs.settings.scram == "plus" and (end_point := connection.tls_end_point):
            self._machine.channel_binding = ChannelBinding({"tls-server-end-point": end_point})

    async def _do(self, event: Event) -> None:
        match event:
            case events.Login() | events.TokenAsked() | events.CertificateAsked() | events.ScramProven():
                await self._login(event)
            case events.ScramAsked():
                await self._start_scram(event)
            case events.StartTls():
                assert self._needs.tls is not None
                await self._send()
                await self._connection.start_tls(self._needs.tls)
                self._bind()
                self._machine.tls_started()
            case events.Unauthenticate():
                self._account = self._connection.owner = None
                self._login_until = time.monotonic() + self._needs.settings.login_seconds
                self._machine.unauthenticated()
            case events.Close():
                pass
            case _:
                await self._order(event)

    async def _start_scram(self, event: events.ScramAsked) -> None:
        try:
            offer = await self._needs.directory.start_scram(event.login, self._connection.peer_host)
        except DirectoryUnavailable as error:
            self._fail(error)
            return
        self._machine.scram_offered(offer)

    async def _who(self, event: events.LoginEvent) -> Identity | TokenRefusal | None:
        directory, peer_host = self._needs.directory, self._connection.peer_host
        if isinstance(event, events.TokenAsked):
            return await directory.authenticate_token(event.bearer.login, event.bearer.token, peer_host)
        if isinstance(event, events.CertificateAsked):
            certificate = self._connection.peer_certificate
            return await directory.authenticate_certificate(event.external.login, certificate, peer_host)
        if isinstance(event, events.ScramProven):
            return await directory.finish_scram(event.login, event.credential_id, peer_host)
        return await directory.authenticate(event.login, event.password, peer_host)

    def _fail(self, error: DirectoryUnavailable) -> None:
        """Not the password's fault, as far as anybody has looked."""
        metrics.LOGINS.labels("unavailable").inc()
        self._log.warning("login_failed", reason=str(error))
        self._machine.login_failed(try_later=True)

    async def _login(self, event: events.LoginEvent) -> None:
        try:
            who = await self._who(event)
        except DirectoryUnavailable as error:
            self._fail(error)
            return
        if not isinstance(who, Identity):
            metrics.LOGINS.labels("refused").inc()
            self._log.info("login_refused")
            if who is None:
                self._machine.login_failed(try_later=False)
            else:
                self._machine.token_refused(who)
            return
        self._account = who.account
        self._connection.owner = who.owner
        metrics.LOGINS.labels("granted").inc()
        self._log.info("login_granted", account_id=who.account.account_id)
        self._machine.login_succeeded(who.address)

    async def _order(self, order: Order) -> None:
        command = type(order).__name__.lower()
        try:
            await self._carry_out(order)
        except (ScriptError, ScriptMissing, ScriptExists, ScriptActive, TooManyScripts) as error:
            metrics.ORDERS.labels(command, "refused").inc()
            self._machine.refused(*_refusal(error))
            return
        except StoreUnavailable as error:
            metrics.ORDERS.labels(command, "unavailable").inc()
            self._log.warning("order_failed", command=command, reason=str(error))
            self._machine.refused("Try again later", Code.TRYLATER)
            return
        metrics.ORDERS.labels(command, "done").inc()

    async def _carry_out(self, order: Order) -> None:
        account, scripts, machine = self._account, self._needs.scripts, self._machine
        assert account is not None
        most = self._needs.settings.scripts_an_account
        match order:
            case events.HaveSpace():
                names = {each.name for each in await scripts.listing(account)}
                if len(names - {order.name}) >= most:
                    raise TooManyScripts
                machine.done("There is space")
            case events.PutScript():
                await self._compiled(order.content)
                await scripts.put(account, order.name, order.content, most=most)
                self._log.info("script_put", account_id=account.account_id, size_octets=len(order.content))
                machine.done("Kept")
            case events.CheckScript():
                await self._compiled(order.content)
                machine.done("The script is right")
            case events.ListScripts():
                machine.listed([(each.name, each.is_active) for each in await scripts.listing(account)])
            case events.SetActive():
                await scripts.activate(account, order.name)
                self._log.info("script_activated", account_id=account.account_id, any=bool(order.name))
                machine.done("It runs from now on" if order.name else "None runs from now on")
            case events.GetScript():
                machine.got(await scripts.get(account, order.name))
            case events.DeleteScript():
                await scripts.delete(account, order.name)
                machine.done("Deleted")
            case events.RenameScript():
                await scripts.rename(account, order.name, order.new_name)
                machine.done("Renamed")
            case _:
                assert_never(order)

    async def _compiled(self, content: bytes) -> None:
        """Raises ScriptError. In a thread: a large script must not hold up the other sessions."""
        await asyncio.to_thread(compile_script, content, available=OFFERED)


def _refusal(error: Exception) -> tuple[str, Code | None]:
    match error:
        case ScriptError():
            return str(error), None
        case ScriptMissing():
            return "There is no script of that name", Code.NONEXISTENT
        case ScriptExists():
            return "There is a script of that name already", Code.ALREADYEXISTS
        case ScriptActive():
            return "The active script is not deleted", Code.ACTIVE
        case _:
            return "There are as many scripts as there may be", Code.QUOTA_MAXSCRIPTS
