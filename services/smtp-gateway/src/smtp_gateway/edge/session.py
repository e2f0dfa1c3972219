"""One SMTP session: the machine's events, the answers of core/, the waits.

The session reads, lets the machine find events in what came, answers each, and
sends all answers of one group together (RFC 2920 §3.2).
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import assert_never

from directoryclient import Identity, Unavailable
from mailproto.sasl import MECHANISMS
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server import ServerConfig, ServerMachine
from mailproto.smtp.server_commands import BodyType
from servicekit import logs
from servicekit.tcp import Connection, Handler
from spool import Letter, OutcomeUnknown, Source, SpoolUnavailable, new_queue_id

from smtp_gateway import metrics
from smtp_gateway.core import roles, trace
from smtp_gateway.core.budget import Budget
from smtp_gateway.core.roles import Role, Transaction
from smtp_gateway.ports import Directory, Gate, Health
from smtp_gateway.settings import Settings

LOG = logs.logger("smtp_gateway.session")
DATA_GO = Reply.of(354, "", "End data with <CR><LF>.<CR><LF>")
DRAINING = Reply.of(421, "4.3.2", "We are closing down; try again")
TIMED_OUT = Reply.of(421, "4.4.2", "You took too long")
TOO_SLOW = Reply.of(421, "4.4.2", "The data came too slowly")
NO_ROOM = Reply.of(452, "4.3.1", "No room for the message now")
RATE_GRACE_SECONDS = 60.0
# While a client waits between commands, how often the drain is looked for.
LOOK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Needs:
    """What all sessions share."""

    settings: Settings
    directory: Directory
    gate: Gate
    health: Health
    budget: Budget
    tls: ssl.SSLContext | None
    clock: Callable[[], float] = time.monotonic


class _Dropped(Exception):
    """The connection is to be closed without another word."""


class Session:
    """One connection, from the greeting to the end."""

    def __init__(self, needs: Needs, role: Role, connection: Connection) -> None:
        self._needs = needs
        self._role = role
        self._connection = connection
        self._who: Identity | None = None
        self._transaction: Transaction | None = None
        self._login_failures = 0
        self._held = 0
        self._data_started = 0.0
        self._data_octets = 0
        settings = needs.settings
        self._machine = ServerMachine(
            ServerConfig(
                hostname=settings.hostname,
                size_limit_octets=settings.message_size_octets,
                mechanisms=MECHANISMS if role is Role.MSA else (),
                errors_allowed=settings.errors,
                recipients_allowed=settings.recipients,
            ),
            offers_tls=needs.tls is not None and not connection.is_tls,
            offers_auth=role is Role.MSA and self._may_log_in(),
        )

    def _may_log_in(self) -> bool:
        if self._connection.is_tls:
            return True
        if self._needs.settings.allow_plaintext_login != "loopback":
            return False
        try:
            return ip_address(self._connection.peer_host).is_loopback
        except ValueError:
            return False

    async def run(self) -> None:
        """Until either side ends it."""
        self._machine.greet()
        try:
            while await self._handle_events():
                await self._send()
                data = await self._read()
                if not data:
                    return
                self._machine.feed(data)
                if self._machine.reads_message and not self._hold():
                    return
            await self._send()
        except _Dropped:
            self._connection.abort()
        finally:
            self._release()

    async def _send(self) -> None:
        if output := self._machine.output():
            self._connection.write(output)
            await self._connection.drain()

    async def _read(self) -> bytes:
        """What came; b"" when the session is over, the reason said."""
        deadline = self._needs.clock() + self._needs.settings.command_seconds
        while True:
            wait = deadline - self._needs.clock()
            if wait <= 0:
                return await self._say_last(TIMED_OUT)
            try:
                return await self._connection.read(min(wait, LOOK_SECONDS))
            except TimeoutError:
                # Between transactions a drain ends the session at once; within one, when it is done.
                if self._connection.draining.is_set() and self._transaction is None:
                    return await self._say_last(DRAINING)

    async def _say_last(self, reply: Reply) -> bytes:
        self._machine.close(reply)
        await self._send()
        return b""

    # -- the message that is coming: memory and pace

    def _hold(self) -> bool:
        """Account for what the machine holds; False when the session has been ended."""
        octets = self._machine.message_octets
        if octets > self._held:
            if self._needs.budget.take(octets - self._held):
                self._held = octets
            else:
                self._machine.close(NO_ROOM)
                self._connection.write(self._machine.output())
                return False
        elif octets < self._held:
            self._needs.budget.give_back(self._held - octets)
            self._held = octets
        metrics.INFLIGHT.set(self._needs.budget.taken)
        elapsed = self._needs.clock() - self._data_started
        self._data_octets = max(self._data_octets, octets)
        least = self._needs.settings.data_octets_per_second
        if elapsed > RATE_GRACE_SECONDS and self._data_octets < least * elapsed:
            self._machine.close(TOO_SLOW)
            self._connection.write(self._machine.output())
            return False
        return True

    def _release(self) -> None:
        self._needs.budget.give_back(self._held)
        self._held = 0

    # -- events

    async def _handle_events(self) -> bool:
        """Everything that can be done with what came; False when the session is over."""
        while (event := self._machine.next_event()) is not None:
            match event:
                case events.MailAsked():
                    self._mail(event)
                case events.RcptAsked():
                    await self._rcpt(event)
                case events.DataAsked():
                    self._data_started, self._data_octets = self._needs.clock(), 0
                    self._machine.answer(DATA_GO)
                case events.MessageCame():
                    await self._message(event.content)
                case events.MessageFlawed():
                    metrics.REFUSED.labels(self._role.value, event.flaw.name.lower()).inc()
                    self._transaction = None
                    self._release()
                case events.TlsAsked():
                    await self._start_tls()
                case events.AuthAsked():
                    if not await self._auth(event):
                        return False
                case events.VrfyAsked():
                    # RFC 5321 §3.5.3, §7.3: neither confirmed nor denied.
                    self._machine.answer(Reply.of(252, "2.5.0", "Send mail and it will be tried"))
                case events.Closing():
                    return False
                case _:
                    assert_never(event)
        return True

    def _mail(self, event: events.MailAsked) -> None:
        self._transaction = None
        if not self._needs.health.connected:
            self._machine.answer(roles.UNWELL)
            return
        mail = event.mail
        reply = roles.judge_sender(self._role, mail.reverse_path, self._who)
        self._machine.answer(reply)
        if reply.is_positive:
            self._transaction = Transaction(
                mail.reverse_path, mail.body is BodyType.EIGHT_BIT, self._needs.settings.recipients
            )

    async def _rcpt(self, event: events.RcptAsked) -> None:
        assert self._transaction is not None
        try:
            resolutions = await self._needs.directory.resolve(event.forward_paths)
        except Unavailable as error:
            LOG.warning("recipients_unresolved", error=str(error))
            self._machine.answer_rcpt(roles.refuse_all(event.forward_paths, roles.UNWELL))
            return
        replies = [
            self._transaction.add(self._role, path, resolution, self._who)
            for path, resolution in zip(event.forward_paths, resolutions, strict=True)
        ]
        for path, reply in zip(event.forward_paths, replies, strict=True):
            metrics.RECIPIENTS.labels(self._role.value, "accepted" if reply.is_positive else "refused").inc()
            if not reply.is_positive:
                LOG.info("recipient_refused", connection=self._connection.id, code=reply.code, recipient=path)
        self._machine.answer_rcpt(replies)

    async def _message(self, content: bytes) -> None:
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        try:
            reply = await self._accept(transaction, content)
        finally:
            self._release()
        self._machine.answer(reply)

    async def _accept(self, transaction: Transaction, content: bytes) -> Reply:
        connection, hello = self._connection, self._machine.hello
        assert hello is not None
        started = self._needs.clock()
        if trace.count_hops(content) > self._needs.settings.hops:
            metrics.REFUSED.labels(self._role.value, "loop").inc()
            return Reply.of(554, "5.4.6", "The message has come round too often")
        queue_id = new_queue_id()
        now = datetime.now(UTC)
        recipients = tuple(transaction.recipients.values())
        arrival = trace.Arrival(
            helo=hello.name,
            is_extended=hello.is_extended,
            client_address=connection.peer_host,
            hostname=self._needs.settings.hostname,
            tls_version=connection.tls_version,
            tls_cipher=connection.tls_cipher,
            is_authenticated=self._who is not None,
            queue_id=queue_id,
            sole_recipient=recipients[0].original_address if len(recipients) == 1 else None,
            at=now,
        )
        letter = Letter(
            queue_id=queue_id,
            reverse_path=transaction.reverse_path,
            recipients=recipients,
            content=content,
            trace_prefix=trace.received_field(arrival),
            source=Source.MX if self._role is Role.MX else Source.SUBMISSION,
            arrived_at=now,
            helo=hello.name,
            client_address=connection.peer_host,
            sender_account_id=self._who.account.account_id if self._who is not None else "",
            eight_bit=transaction.eight_bit,
        )
        try:
            await self._needs.gate.accept(letter)
        except SpoolUnavailable as error:
            LOG.warning("message_postponed", queue_id=queue_id, error=str(error))
            metrics.REFUSED.labels(self._role.value, "unwell").inc()
            return roles.UNWELL
        except OutcomeUnknown as error:
            LOG.error("message_outcome_unknown", queue_id=queue_id, error=str(error))
            metrics.OUTCOMES_UNKNOWN.inc()
            raise _Dropped from error
        metrics.ACCEPTED.labels(self._role.value).inc()
        metrics.ACCEPT_SECONDS.observe(self._needs.clock() - started)
        metrics.SIZE.observe(len(content))
        LOG.info(
            "message_accepted",
            queue_id=queue_id,
            role=self._role.value,
            reverse_path=transaction.reverse_path,
            recipients=len(recipients),
            size_octets=len(content),
            client=connection.peer_host,
        )
        return Reply.of(250, "2.0.0", f"Accepted as {queue_id}")

    # -- TLS and login

    async def _start_tls(self) -> None:
        await self._send()
        assert self._needs.tls is not None
        await self._connection.start_tls(self._needs.tls)
        self._machine.tls_started()
        self._machine.offers_auth = self._role is Role.MSA
        self._who = None
        self._transaction = None

    async def _auth(self, event: events.AuthAsked) -> bool:
        credentials = event.credentials
        try:
            who = await self._needs.directory.authenticate(
                credentials.login, credentials.password, self._connection.peer_host
            )
        except Unavailable:
            self._machine.answer(Reply.of(454, "4.7.0", "We cannot check that now; try again later"))
            return True
        if who is None:
            metrics.LOGINS.labels("denied").inc()
            self._login_failures += 1
            LOG.info("login_denied", connection=self._connection.id, client=self._connection.peer_host)
            self._machine.answer(Reply.of(535, "5.7.8", "The login or the password is wrong"))
            if self._login_failures >= self._needs.settings.login_failures:
                self._machine.close(Reply.of(421, "4.7.0", "Too many wrong passwords"))
                return False
            return True
        metrics.LOGINS.labels("granted").inc()
        self._who = who
        self._machine.answer(Reply.of(235, "2.7.0", "Welcome"))
        return True


def handler(needs: Needs, role: Role) -> Handler:
    """What a listener of this role does with a connection."""

    async def serve(connection: Connection) -> None:
        await Session(needs, role, connection).run()

    return serve
