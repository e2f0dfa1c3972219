"""One POP3 connection: moves octets between `servicekit.tcp` and the machine of `mailproto.pop3`, and does what the
machine's events ask for.

At SIGTERM a session that waits for its client is told and closed; one at work finishes that first. A session that
ends without QUIT removes nothing (RFC 1939 §3), and lets go of its maildrop at once.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import assert_never

from directoryclient import Identity, Throttled
from directoryclient import Unavailable as DirectoryUnavailable
from mailproto.pop3.events import (
    CertificateAsked,
    Close,
    Event,
    Flush,
    Login,
    LoginFailure,
    Retrieve,
    ScramAsked,
    ScramProven,
    StartTls,
    TokenAsked,
    Update,
)
from mailproto.pop3.server import Pop3Server
from mailproto.pop3.states import State, TlsState, Welcome
from mailproto.sasl.bearer import TokenRefusal
from mailproto.sasl.scram import ChannelBinding
from servicekit.tcp import Connection
from structlog.typing import FilteringBoundLogger

from pop3 import metrics
from pop3.core.login_rule import password_rule
from pop3.core.mechanisms import mechanisms
from pop3.ports import Directory, Maildrops, MessageGone, OpenMaildrop, Unavailable
from pop3.settings import Settings

# RETR: most messages come in one read. TOP: mostly the header is wanted.
_RETR_CHUNK_OCTETS = 1024 * 1024
_TOP_CHUNK_OCTETS = 32 * 1024

# Counting takes longer than it should: so many messages that were asked for alone are counted together.
_COUNTED_TOGETHER = 16

LoginEvent = Login | TokenAsked | CertificateAsked | ScramProven


@dataclass(frozen=True, slots=True)
class Needs:
    """What all sessions share."""

    settings: Settings
    directory: Directory
    maildrops: Maildrops
    tls: ssl.SSLContext | None
    log: FilteringBoundLogger


class Session:
    """One connection's life."""

    def __init__(self, connection: Connection, needs: Needs) -> None:
        self._connection = connection
        self._needs = needs
        self._log = needs.log.bind(connection=connection.id, peer_host=connection.peer_host)
        settings = needs.settings
        self._machine = Pop3Server(
            Welcome(
                settings.hostname,
                "Posthouse",
                mechanisms(
                    settings.scram,
                    settings.oauth,
                    certificates=settings.tls_client_authorities_file is not None,
                ),
            ),
            TlsState.ACTIVE
            if connection.is_tls
            else (TlsState.UNAVAILABLE if needs.tls is None else TlsState.OFFERED),
            password_rule(settings.allow_plaintext_login, connection.peer_host),
        )
        self._bind()
        self._machine.has_certificate = connection.peer_certificate != b""
        self._maildrop: OpenMaildrop | None = None
        self._account_id = ""
        self._login_until = time.monotonic() + settings.login_seconds
        self._idle = False
        self._retrieved: set[int] = set()
        self._removed = 0
        # What came while the client was attended to and has to be waited for.
        self._left: Event | None = None
        # Messages that were at hand, until they are counted, and their octets.
        self._given = 0
        self._given_octets = 0

    async def live(self) -> None:
        """Until the client or we have had enough."""
        try:
            await self._converse()
        finally:
            self._count()
            if self._maildrop is not None:
                await self._maildrop.close()
                self._log.info(
                    "session_ended",
                    account_id=self._account_id,
                    messages_retrieved=len(self._retrieved),
                    messages_removed=self._removed,
                )

    async def end_if_idle(self) -> None:
        """At the drain: tell a client that is silent, and close. Its read then sees the end of the stream."""
        if self._idle:
            # A command that has just come, and that nobody has begun with, is not answered any more.
            self._left = None
            self._machine.say_goodbye("The server is going down, come back soon")
            self._connection.write(self._machine.data_to_send())
            await self._connection.close()

    async def _converse(self) -> None:
        machine = self._machine
        connection = self._connection
        settings = self._needs.settings
        await self._send()
        while True:
            while (event := self._next()) is not None:
                await self._do(event)
                if isinstance(event, Close):
                    return
            await self._send()
            if connection.draining.is_set():
                machine.say_goodbye("The server is going down, come back soon")
                continue
            try:
                self._idle = True
                if machine.state is State.TRANSACTION:
                    if not await connection.attend(self._take, settings.idle_seconds):
                        return
                    continue
                data = await connection.read(self._patience())
            except TimeoutError:
                machine.say_goodbye("Autologout; idle for too long")
                continue
            finally:
                self._idle = False
            if not data:
                return
            machine.receive(data)

    def _take(self, data: bytes) -> bool:
        """Commands of a client that is in; False as soon as there is something to wait for."""
        machine = self._machine
        number = machine.lone_retrieve(data)
        if number is not None and self._maildrop is not None:
            content = self._maildrop.at_hand(number)
            if content is not None:
                connection = self._connection
                connection.write(machine.answer_alone(number, content))
                self._retrieved.add(number)
                self._given += 1
                self._given_octets += len(content)
                if self._given >= _COUNTED_TOGETHER:
                    self._count()
                return not connection.is_full
        machine.receive(data)
        self._left = self._next()
        if self._left is not None:
            return False
        self._write()
        return not self._connection.is_full

    def _next(self) -> Event | None:
        """The next thing that has to be waited for; what can be answered at once is."""
        left, self._left = self._left, None
        if left is not None:
            return left
        while isinstance(event := self._machine.next_event(), Retrieve) and self._give(event):
            pass
        return event

    async def _send(self) -> None:
        """Send what waits; a client that does not read for too long is cut off (TimeoutError)."""
        if self._write():
            await self._connection.drain(self._patience())

    def _patience(self) -> float:
        """How long the client may take to read: one who is not in yet no longer than for all he says."""
        if self._maildrop is not None:
            return self._needs.settings.idle_seconds
        return max(0.0, self._login_until - time.monotonic())

    def _write(self) -> bool:
        """The same without waiting; whether there was something, or there may be more to send than goes."""
        data = self._machine.data_to_send()
        if data:
            self._connection.write(data)
            self._count()
        return bool(data) or self._connection.is_full

    def _count(self) -> None:
        """What was at hand and given."""
        if self._given_octets:
            metrics.RETRIEVED.inc(self._given)
            metrics.RETRIEVED_OCTETS.inc(self._given_octets)
            self._given = self._given_octets = 0

    async def _do(self, event: Event) -> None:
        match event:
            case Login() | TokenAsked() | CertificateAsked() | ScramProven():
                await self._log_in(event)
            case ScramAsked():
                await self._start_scram(event)
            case Retrieve():
                await self._retrieve(event)
            case Update():
                await self._update(event)
            case StartTls():
                await self._start_tls()
            case Flush():
                # Between the pieces of a long answer others have their turn.
                await asyncio.sleep(0)
            case Close():
                pass
            case _:
                assert_never(event)
        await self._send()

    def _bind(self) -> None:
        """What an exchange may be bound to."""
        if self._needs.settings.scram == "plus" and (end_point := self._connection.tls_end_point):
            self._machine.channel_binding = ChannelBinding({"tls-server-end-point": end_point})

    async def _start_scram(self, event: ScramAsked) -> None:
        try:
            self._machine.scram_offered(
                await self._needs.directory.start_scram(event.login, self._connection.peer_host)
            )
        except DirectoryUnavailable as error:
            self._fail(error)

    async def _log_in(self, event: LoginEvent) -> None:
        started = time.perf_counter()
        try:
            who = await self._who(event)
            if not isinstance(who, Identity):
                metrics.LOGINS.labels("refused").inc()
                self._log.info("login_refused")
                if who is None:
                    self._machine.login_failed(LoginFailure.REFUSED)
                else:
                    self._machine.token_refused(who)
                return
            # Before the maildrop is opened, which may take long: who is shut out meanwhile is sent away too.
            self._connection.owner = who.owner
            self._maildrop = await self._needs.maildrops.open(who.account)
        except (DirectoryUnavailable, Unavailable) as error:
            self._connection.owner = None
            self._fail(error)
            return
        if self._maildrop is None:
            self._connection.owner = None
            metrics.LOGINS.labels("in_use").inc()
            self._machine.login_failed(LoginFailure.IN_USE)
            return
        self._account_id = who.account.account_id
        metrics.LOGINS.labels("granted").inc()
        metrics.LOGIN_SECONDS.observe(time.perf_counter() - started)
        self._log.info("login_granted", account_id=self._account_id, messages=self._maildrop.contents.count())
        self._machine.login_succeeded(self._maildrop.contents)

    async def _who(self, event: LoginEvent) -> Identity | TokenRefusal | None:
        directory, peer_host = self._needs.directory, self._connection.peer_host
        if isinstance(event, TokenAsked):
            return await directory.authenticate_token(event.bearer.login, event.bearer.token, peer_host)
        if isinstance(event, CertificateAsked):
            certificate = self._connection.peer_certificate
            return await directory.authenticate_certificate(event.external.login, certificate, peer_host)
        if isinstance(event, Login):
            return await directory.authenticate(event.login, event.password, peer_host)
        return await directory.finish_scram(event.login, event.credential_id, peer_host)

    def _fail(self, error: DirectoryUnavailable | Unavailable) -> None:
        """Not the password's fault, as far as anybody has looked (RFC 3206 §4)."""
        if isinstance(error, Throttled):
            metrics.LOGINS.labels("throttled").inc()
            self._log.info("login_throttled", retry_after_seconds=error.retry_after_seconds)
        else:
            metrics.LOGINS.labels("unavailable").inc()
            self._log.warning("login_failed", reason=str(error))
        self._machine.login_failed(LoginFailure.UNAVAILABLE)

    def _give(self, event: Retrieve) -> bool:
        """Answer with a message that is at hand; answers to commands that came together go out together."""
        assert self._maildrop is not None
        content = self._maildrop.at_hand(event.number)
        if content is None:
            return False
        self._machine.message_given(content)
        self._given_octets += len(content)
        if event.lines is None:
            self._retrieved.add(event.number)
            self._given += 1
        return True

    async def _retrieve(self, event: Retrieve) -> None:
        assert self._maildrop is not None
        # What was read ahead has been answered; this has to be waited for.
        await self._send()
        machine = self._machine
        chunk_octets = _RETR_CHUNK_OCTETS if event.lines is None else _TOP_CHUNK_OCTETS
        started = False
        try:
            async with aclosing(self._maildrop.read(event.number, chunk_octets)) as chunks:
                async for chunk in chunks:
                    if not started:
                        started = True
                        machine.message_started()
                    wanted = machine.message_data(chunk)
                    metrics.RETRIEVED_OCTETS.inc(len(chunk))
                    if not wanted:
                        break
                    await self._send()
        except (Unavailable, MessageGone) as error:
            metrics.READS_FAILED.inc()
            self._log.warning("read_failed", account_id=self._account_id, reason=str(error) or "message gone")
            if started:
                # Half a message is out: only a broken connection says that the rest is missing.
                self._connection.abort()
                raise ConnectionAbortedError("a message could not be read to its end") from error
            if isinstance(error, MessageGone):
                machine.retrieve_gone()
            else:
                machine.retrieve_failed()
            return
        if not started:
            machine.message_started()  # An empty message has no chunk.
        machine.message_ended()
        if event.lines is None:
            self._retrieved.add(event.number)
            metrics.RETRIEVED.inc()

    async def _update(self, event: Update) -> None:
        assert self._maildrop is not None
        try:
            self._removed = await self._maildrop.remove(event.deleted, sorted(self._retrieved))
        except Unavailable as error:
            metrics.UPDATES_FAILED.inc()
            self._log.warning("update_failed", account_id=self._account_id, reason=str(error))
            self._machine.update_failed()
            return
        metrics.REMOVED.inc(self._removed)
        # Let go before the client hears of it: its next session may come at once.
        await self._maildrop.close()
        self._machine.updated()

    async def _start_tls(self) -> None:
        assert self._needs.tls is not None
        await self._send()
        await self._connection.start_tls(self._needs.tls)
        self._machine.tls_started()
        self._bind()
        self._machine.has_certificate = self._connection.peer_certificate != b""
