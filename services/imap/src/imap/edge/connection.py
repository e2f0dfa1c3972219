"""One IMAP connection: reads commands, lets core/ do them, says how they ended.

What belongs to the connection itself is done here: the greeting, CAPABILITY,
STARTTLS, the login, IDLE, LOGOUT, time limits, and the end at SIGTERM.
"""

import asyncio
import ssl
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import assert_never

from directoryclient import Unavailable
from mailmodel.view import MayExpunge
from mailproto.imap import commands as c
from mailproto.imap import reader as r
from mailproto.imap import responses
from mailproto.imap.parse import CommandInvalid, parse
from mailproto.imap.parse_search import CharsetUnknown
from mailproto.sasl import MECHANISMS, Challenge, Credentials, Fault, SaslExchange
from mailstore import BodyCorrupt, MailboxNameInvalid, MailStore, StoreUnavailable
from servicekit.tcp import Connection
from structlog.typing import FilteringBoundLogger

from imap import metrics
from imap.core import dispatch
from imap.core.answer import Answer, Bad, No, ok
from imap.core.capabilities import capabilities
from imap.core.session import Session
from imap.ports import Changes, Directory, Listening
from imap.settings import Settings

DRAINING = responses.untagged("BYE", "The server is going down, come back soon")


@dataclass(frozen=True, slots=True)
class Needs:
    """What all connections share."""

    settings: Settings
    directory: Directory
    store: MailStore
    changes: Changes
    tls: ssl.SSLContext | None
    log: FilteringBoundLogger


class Connections:
    """All connections of this process; `serve` is the listeners' handler."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._open: set[Imap] = set()
        self.by_account: dict[str, int] = {}

    async def serve(self, connection: Connection) -> None:
        """Live one connection to its end."""
        imap = Imap(connection, self._needs, self.by_account)
        self._open.add(imap)
        try:
            await imap.live()
        finally:
            self._open.discard(imap)
            await imap.leave()

    async def end_at_drain(self, draining: asyncio.Event) -> None:
        """Wait for SIGTERM, then send those away that only wait."""
        await draining.wait()
        for imap in list(self._open):
            imap.end_if_idle()


class _Over(Exception):
    """The connection is to be closed; what is to be said has been said."""


class Imap:
    """One connection's life."""

    def __init__(self, connection: Connection, needs: Needs, by_account: dict[str, int]) -> None:
        self._connection = connection
        self._needs = needs
        self._by_account = by_account
        self._log = needs.log.bind(connection=connection.id, peer_host=connection.peer_host)
        self._reader = r.Reader(literal_octets=8192, append_octets=8192)
        self._session = Session(needs.store, self._say)
        self._listening: Listening | None = None
        self._woken = asyncio.Event()
        self._login_until = time.monotonic() + needs.settings.login_seconds
        self._waits = False
        self._failures = 0
        self._errors = 0

    # -- octets

    async def _say(self, data: bytes) -> None:
        if data:
            self._connection.write(data)
            await self._connection.drain()

    async def _read(self) -> None:
        """Feed the reader. Raises _Over at the end of the stream or of the client's time."""
        if self._session.who is None:
            seconds = self._login_until - time.monotonic()
        else:
            seconds = self._needs.settings.idle_seconds
        self._waits = True
        try:
            if self._connection.draining.is_set():
                await self._say(DRAINING)
                raise _Over
            data = await self._connection.read(max(0.0, seconds))
        except TimeoutError:
            await self._say(responses.untagged("BYE", "You were silent for too long"))
            raise _Over from None
        finally:
            self._waits = False
        if not data:
            raise _Over
        self._reader.feed(data)

    def end_if_idle(self) -> None:
        """At the drain: tell a client that is silent, and close."""
        if self._waits:
            self._connection.write(DRAINING)
            self._connection.end()

    # -- the conversation

    async def live(self) -> None:
        """Until the client or we have had enough."""
        try:
            words = self._capabilities()
            await self._say(responses.untagged("OK", "Posthouse is ready", f"CAPABILITY {words}"))
            while True:
                await self._one()
        except _Over:
            return

    async def leave(self) -> None:
        """Let go of what the session holds."""
        if self._listening is not None:
            await self._listening.stop()
        who = self._session.who
        if who is not None:
            metrics.SESSIONS.dec()
            left = self._by_account.get(who.account.account_id, 1) - 1
            if left:
                self._by_account[who.account.account_id] = left
            else:
                self._by_account.pop(who.account.account_id, None)

    async def _one(self) -> None:
        """Wait for one command and do it."""
        while (event := self._reader.next_event()) is None:
            await self._read()
        match event:
            case r.Go():
                await self._say(b"+ Go ahead\r\n")
            case r.Whole():
                await self._whole(event.octets)
            case r.Refused():
                code = "TOOBIG" if event.is_too_big else ""
                await self._say(
                    responses.tagged(event.tag, "NO" if event.is_too_big else "BAD", event.text, code)
                )
                await self._count_error()
            case r.Broken():
                await self._say(responses.untagged("BYE", event.text))
                raise _Over
            case _:
                assert_never(event)

    async def _whole(self, octets: bytes) -> None:
        if not octets:
            return
        try:
            tagged = parse(octets)
        except CommandInvalid as error:
            await self._say(responses.tagged(error.tag, "BAD", str(error)))
            await self._count_error()
            return
        except CharsetUnknown:
            tag = octets.split(b" ", 1)[0].decode("ascii", "replace")
            await self._say(
                responses.tagged(tag, "NO", "That charset is not known", "BADCHARSET (UTF-8 US-ASCII)")
            )
            return
        started = time.perf_counter()
        answer = await self._do(tagged)
        name = _name(tagged.command)
        metrics.COMMANDS.labels(name, answer.status).inc()
        metrics.COMMAND_SECONDS.labels(name).observe(time.perf_counter() - started)
        if answer.status == "OK" and self._session.who is not None:
            await self._tell_changes(tagged.command)
        await self._say(responses.tagged(tagged.tag, answer.status, answer.text, answer.code))
        if answer.status == "BAD":
            await self._count_error()
        if tagged.command is c.Plain.LOGOUT:
            raise _Over
        if tagged.command is c.Plain.STARTTLS and answer.status == "OK":
            await self._start_tls()

    async def _count_error(self) -> None:
        self._errors += 1
        if self._errors > self._needs.settings.errors:
            await self._say(responses.untagged("BYE", "Too many errors"))
            raise _Over

    async def _tell_changes(self, command: c.Command) -> None:
        """What others changed meanwhile is told before the tagged answer."""
        session = self._session
        try:
            if session.is_stale or self._woken.is_set() or not self._needs.changes.hears:
                self._woken.clear()
                await session.refresh(dispatch.may_expunge(command))
            else:
                await session.announce(dispatch.may_expunge(command))
        except StoreUnavailable:
            session.is_stale = True

    async def _do(self, tagged: c.Tagged) -> Answer:
        command = tagged.command
        try:
            if command is c.Plain.CAPABILITY:
                await self._say(f"* CAPABILITY {self._capabilities()}\r\n".encode())
                return ok("CAPABILITY completed")
            if command is c.Plain.LOGOUT:
                await self._say(responses.untagged("BYE", "Goodbye"))
                return ok("LOGOUT completed")
            if self._session.who is None:
                return await self._before_login(command)
            if command is c.Plain.IDLE:
                return await self._idle()
            return await dispatch.run(self._session, command)
        except No as error:
            return Answer("NO", str(error), error.code)
        except MailboxNameInvalid as error:
            return Answer("NO", str(error), "CANNOT")
        except Bad as error:
            return Answer("BAD", str(error))
        except StoreUnavailable as error:
            self._log.warning("command_postponed", command=_name(command), error=str(error))
            return Answer("NO", "That cannot be done now, try again later", "UNAVAILABLE")
        except BodyCorrupt as error:
            self._log.error("body_corrupt", command=_name(command), error=str(error))
            return Answer("NO", "The message is damaged in our storage", "SERVERBUG")
        except (ConnectionError, _Over):
            raise
        except Exception:
            self._log.exception("command_failed", command=_name(command))
            return Answer("NO", "Something went wrong here; it has been logged", "SERVERBUG")

    # -- before the login

    def _may_log_in(self) -> bool:
        if self._connection.is_tls:
            return True
        if self._needs.settings.allow_plaintext_login != "loopback":
            return False
        try:
            return ip_address(self._connection.peer_host).is_loopback
        except ValueError:
            return False

    def _capabilities(self) -> str:
        return capabilities(
            is_logged_in=self._session.who is not None,
            offers_tls=self._needs.tls is not None and not self._connection.is_tls,
            may_log_in=self._may_log_in(),
        )

    async def _before_login(self, command: c.Command) -> Answer:
        match command:
            case c.Plain.NOOP:
                return ok("NOOP completed")
            case c.Plain.STARTTLS:
                if self._needs.tls is None or self._connection.is_tls:
                    raise Bad("TLS cannot be started here")
                # What came in clear after this command is not looked at.
                self._reader.forget()
                return ok("Begin TLS now")
            case c.Login():
                self._need_safe()
                return await self._log_in(Credentials(command.login, command.password))
            case c.Authenticate():
                self._need_safe()
                return await self._log_in(await self._exchange(command))
            case c.Id():
                await self._say(dispatch.ID)
                return ok("ID completed")
            case _:
                raise Bad("Log in first")

    def _need_safe(self) -> None:
        if not self._may_log_in():
            raise No("Start TLS first: a password is not taken in clear", "PRIVACYREQUIRED")

    async def _exchange(self, command: c.Authenticate) -> Credentials:
        if command.mechanism not in MECHANISMS:
            raise No("That mechanism is not offered", "CANNOT")
        exchange = SaslExchange(command.mechanism)
        step = exchange.first_challenge() if command.initial is None else exchange.answer(command.initial)
        while isinstance(step, Challenge):
            await self._say(b"+ " + step.line + b"\r\n")
            while (line := self._reader.take_line()) is None:
                await self._read()
            if isinstance(line, r.Broken):
                await self._say(responses.untagged("BYE", line.text))
                raise _Over
            step = exchange.answer(line)
        if isinstance(step, Fault):
            if step is Fault.REFUSED:
                raise No("The login or the password is wrong", "AUTHENTICATIONFAILED")
            raise Bad(step.value)
        return step

    async def _log_in(self, credentials: Credentials) -> Answer:
        settings = self._needs.settings
        try:
            who = await self._needs.directory.authenticate(
                credentials.login, credentials.password, self._connection.peer_host
            )
        except Unavailable:
            raise No("That cannot be checked now, try again later", "UNAVAILABLE") from None
        if who is None:
            metrics.LOGINS.labels("denied").inc()
            self._failures += 1
            self._log.info("login_denied")
            if self._failures >= settings.login_failures:
                await self._say(responses.untagged("BYE", "Too many wrong passwords"))
                raise _Over
            raise No("The login or the password is wrong", "AUTHENTICATIONFAILED")
        account_id = who.account.account_id
        if self._by_account.get(account_id, 0) >= settings.connections_a_user:
            raise No("Too many sessions of this account", "LIMIT")
        metrics.LOGINS.labels("granted").inc()
        metrics.SESSIONS.inc()
        self._by_account[account_id] = self._by_account.get(account_id, 0) + 1
        self._session.who = who
        self._reader.literal_octets = settings.literal_octets
        self._reader.append_octets = settings.append_octets
        self._listening = await self._needs.changes.listen(who.account, self._told)
        return ok("Welcome", f"CAPABILITY {self._capabilities()}")

    def _told(self, mailbox_id: int) -> None:
        selected = self._session.selected
        if selected is not None and mailbox_id in (0, selected.mailbox_id):
            self._woken.set()

    async def _start_tls(self) -> None:
        assert self._needs.tls is not None
        await self._connection.start_tls(self._needs.tls)
        self._reader.forget()

    # -- IDLE (RFC 2177)

    async def _idle(self) -> Answer:
        await self._say(b"+ idling\r\n")
        metrics.IDLING.inc()
        reading: asyncio.Task[None] | None = None
        deadline = time.monotonic() + self._needs.settings.idle_seconds
        try:
            # What changed just before is told at once.
            await self._session.refresh(MayExpunge.YES)
            while True:
                line = self._reader.take_line()
                if line is not None:
                    if isinstance(line, bytes) and line.upper() == b"DONE":
                        return ok("IDLE completed")
                    raise Bad("DONE expected")
                if time.monotonic() > deadline:
                    await self._say(responses.untagged("BYE", "You were silent for too long"))
                    raise _Over
                if reading is None:
                    reading = asyncio.create_task(self._read())
                woken = asyncio.create_task(self._woken.wait())
                done, _ = await asyncio.wait(
                    {reading, woken},
                    timeout=self._needs.settings.poll_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                woken.cancel()
                if reading in done:
                    await reading
                    reading = None
                else:
                    self._woken.clear()
                    try:
                        await self._session.refresh(MayExpunge.YES)
                    except StoreUnavailable:
                        # The poll looks again.
                        continue
        finally:
            metrics.IDLING.dec()
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


def _name(command: c.Command) -> str:
    if isinstance(command, c.Plain):
        return command.value.lower()
    return type(command).__name__.lower()
