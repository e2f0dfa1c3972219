"""One SMTP session: the machine's events, the answers of core/, the waits.

The session reads, lets the machine find events in what came, answers each, and
sends all answers of one group together (RFC 2920 §3.2).
"""

import ssl
from datetime import UTC, datetime
from typing import assert_never

from directoryclient import Identity, Resolution, Unavailable
from mailproto.sasl import TokenRefusal
from mailproto.sasl.scram import ChannelBinding
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server import ServerMachine
from mailproto.smtp.server_commands import Rcpt
from mailproto.smtp.server_config import Binary, Dialect, Dsn, ServerConfig, State
from servicekit import logs
from servicekit.tcp import Connection, Handler

from smtp_gateway import metrics
from smtp_gateway.core import roles, travelling, verifying
from smtp_gateway.core.mechanisms import mechanisms
from smtp_gateway.core.offences import Offence
from smtp_gateway.core.roles import Role, Transaction
from smtp_gateway.edge.accepting import Dropped, accept
from smtp_gateway.edge.allowance import Allowance
from smtp_gateway.edge.client import Client, introduce
from smtp_gateway.edge.guard import NOT_OF_THIS_SITE, Guard
from smtp_gateway.edge.intake import Intake
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.owning import may_be_envelope
from smtp_gateway.edge.postmaster import with_postmaster
from smtp_gateway.edge.sender_domain import SenderDomain
from smtp_gateway.edge.suppressing import refuse_suppressed
from smtp_gateway.edge.visit import Visit

LOG = logs.logger("smtp_gateway.session")
DATA_GO = Reply.of(354, "", "End data with <CR><LF>.<CR><LF>")
DRAINING = Reply.of(421, "4.3.2", "We are closing down; try again")
BROKEN = Reply.of(421, "4.3.0", "Something is wrong here; try again later")
TIMED_OUT = Reply.of(421, "4.4.2", "You took too long")
CANNOT_CHECK = Reply.of(454, "4.7.0", "We cannot check that now; try again later")
LoginAsked = events.AuthAsked | events.TokenAsked | events.CertificateAsked | events.ScramProven
# While a client waits between commands, how often the drain is looked for.
LOOK_SECONDS = 3.0


class Session:
    """One connection, from the greeting to the end."""

    def __init__(
        self, needs: Needs, role: Role, connection: Connection, implicit_tls: ssl.SSLContext | None = None
    ) -> None:
        self._needs = needs
        self._role = role
        self._connection = connection
        self._implicit_tls = implicit_tls
        self._client = Client(connection.peer_host, connection.peer_port)
        self._who: Identity | None = None
        self._transaction: Transaction | None = None
        self._login_failures = 0
        # Until then a whole command must have come.
        self._command_due = 0.0
        self._intake = Intake(needs)
        self._allowance = Allowance(needs.controls, needs.settings, role)
        self._sender_domain = SenderDomain(needs, role)
        self._guard = Guard(needs, role, connection)
        settings = needs.settings
        config = ServerConfig(
            hostname=settings.hostname,
            size_limit_octets=settings.message_size_octets,
            mechanisms=mechanisms(
                settings.scram, settings.oauth, certificates=settings.tls_client_authorities_file is not None
            )
            if role is Role.MSA
            else (),
            dialect=Dialect.LMTP if role is Role.LMTP else Dialect.SMTP,
            errors_allowed=settings.errors,
            junk_allowed=settings.junk_commands,
            recipients_allowed=settings.recipients,
            binary=Binary(settings.binary_mime),
            dsn=Dsn.OFFERED if role.value in settings.dsn_roles else Dsn.REFUSED,
        )
        self._machine = ServerMachine(
            travelling.offered(config, role, datetime.now(UTC), settings.future_release_seconds),
            offers_tls=False,
            offers_auth=False,
        )

    def _may_log_in(self) -> bool:
        if self._connection.is_tls:
            return True
        return self._needs.settings.allow_plaintext_login == "loopback" and self._client.is_loopback

    async def run(self) -> None:
        """Until either side ends it."""
        client = await introduce(self._needs, self._connection, self._implicit_tls)
        if client is None:
            self._connection.abort()
            return
        self._machine.is_in_tls = self._connection.is_tls
        self._note_tls()
        self._machine.offers_tls = self._needs.tls is not None and not self._connection.is_tls
        try:
            if (refusal := self._begin(client) or await self._guard.enter(client)) is not None:
                await self._say_last(refusal)
                return
            self._machine.offers_xclient = client.host in self._needs.introducers
            self._machine.greet()
            self._machine.feed(client.early)
            while await self._handle_events():
                await self._send()
                if self._machine.reads_message:
                    # How slowly a message may come is for the intake to say.
                    self._count_command()
                data = await self._read()
                if not data:
                    return
                self._machine.feed(data)
                if self._machine.reads_message and not self._hold(len(data)):
                    return
            await self._send()
        except Dropped:
            self._connection.abort()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            raise
        except Exception:
            # A fault of ours: the listener logs and counts it, and the client comes again.
            self._connection.write(BROKEN.encode())
            raise
        finally:
            self._intake.release()
            self._sender_domain.release()
            self._allowance.close()
            if self._machine.errors > self._needs.settings.errors:
                await self._guard.offended(Offence.PROTOCOL_ERRORS)
            await self._guard.close()

    def _note_tls(self) -> None:
        """What TLS says of the client, and what an exchange may be bound to."""
        self._machine.has_certificate = self._connection.peer_certificate != b""
        if self._needs.settings.scram == "plus" and (end_point := self._connection.tls_end_point):
            self._machine.channel_binding = ChannelBinding({"tls-server-end-point": end_point})

    def _begin(self, client: Client) -> Reply | None:
        """A session with this client, from its beginning; why there can be none."""
        self._client = client
        self._who = self._connection.owner = None
        self._transaction = None
        self._machine.offers_auth = self._role is Role.MSA and self._may_log_in()
        return self._needs.load.session_refusal() or self._allowance.connect(client.host, self._needs.clock())

    async def _send(self) -> None:
        """Send what waits; a client that does not read for too long is cut off (TimeoutError)."""
        if output := self._machine.output():
            await self._guard.slow_down()
            self._connection.write(output)
            await self._connection.drain(self._needs.settings.command_seconds)
            self._count_command()

    def _count_command(self) -> None:
        """The time for the next command begins. Octets alone give a client no more of it."""
        self._command_due = self._needs.clock() + self._needs.settings.command_seconds

    async def _read(self) -> bytes:
        """What came; b"" when the session is over, the reason said."""
        while True:
            wait = self._command_due - self._needs.clock()
            if wait <= 0:
                return await self._say_last(TIMED_OUT)
            try:
                return await self._connection.read(min(wait, LOOK_SECONDS))
            except TimeoutError:
                # Between transactions a drain ends the session at once; within one, when it is done.
                if self._connection.draining.is_set() and self._is_between_transactions:
                    return await self._say_last(DRAINING)

    @property
    def _is_between_transactions(self) -> bool:
        return self._machine.state in (State.START, State.GREETED)

    async def _say_last(self, reply: Reply) -> bytes:
        self._machine.close(reply)
        await self._send()
        return b""

    def _hold(self, came_octets: int) -> bool:
        """Account for the message that is coming; False when the session has been ended."""
        refusal = self._intake.came(came_octets, self._machine.message_octets)
        if refusal is not None:
            self._machine.close(refusal)
            self._connection.write(self._machine.output())
        return refusal is None

    # -- events

    async def _handle_events(self) -> bool:
        """Everything that can be done with what came; False when the session is over."""
        while (event := self._machine.next_event()) is not None:
            match event:
                case events.MailAsked():
                    await self._mail(event)
                case events.RcptAsked():
                    await self._rcpt(event)
                case events.DataAsked():
                    self._intake.begin()
                    self._machine.answer(DATA_GO)
                case events.ChunksBegun():
                    self._intake.begin()
                case events.MessageCame():
                    await self._message(event.content)
                case events.MessageFlawed():
                    metrics.REFUSED.labels(self._role.value, event.flaw.name.lower()).inc()
                    self._transaction = None
                    self._intake.release()
                    self._sender_domain.release()
                case events.TlsAsked():
                    await self._start_tls()
                case (
                    events.AuthAsked()
                    | events.TokenAsked()
                    | events.CertificateAsked()
                    | events.ScramProven()
                ):
                    if not await self._auth(event):
                        return False
                case events.ScramAsked():
                    await self._start_scram(event)
                case events.VrfyAsked():
                    self._machine.answer(await self._look_up(event))
                case events.ExpnAsked():
                    self._machine.answer(await self._look_up(event))
                case events.XclientAsked():
                    refusal = self._begin(self._client.told(event.told))
                    refusal = refusal or await self._guard.enter(self._client)
                    self._machine.answer(refusal or self._machine.greeting)
                    if refusal is not None:
                        return False
                case events.Closing():
                    return False
                case _:
                    assert_never(event)
        if self._is_between_transactions:
            # No message is coming, or none any more: it was given up, or its MAIL was refused after all.
            self._intake.release()
            self._sender_domain.release()
        return True

    async def _mail(self, event: events.MailAsked) -> None:
        self._transaction = None
        mail = event.mail
        reply = await self._judge_sender(mail.reverse_path)
        if reply.is_positive and self._who is not None:
            reply = await self._guard.may_send(self._who, self._allowance) or reply
        if reply.is_positive and self._machine.hello is not None:
            hello = self._machine.hello.name
            reply = await self._guard.mail(hello, mail.reverse_path, self._who) or reply
        if reply.is_positive:
            reply = self._allowance.message(self._needs.clock()) or reply
        if reply.is_positive:
            reply = await self._in_domains_name(mail.reverse_path) or reply
        wishes = travelling.wishes_of(mail.given, datetime.now(UTC), self._needs.settings.priority_most)
        if isinstance(wishes, Reply):
            reply = wishes
        elif reply.is_positive:
            reply = travelling.lowered(mail.given, wishes) or reply
        self._machine.answer(reply)
        if self._who is not None:
            await self._guard.used(self._who, self._allowance)
        if reply.is_positive and not isinstance(wishes, Reply):
            self._transaction = Transaction(
                mail.reverse_path,
                mail.given.body,
                mail.given.charset,
                self._needs.settings.recipients,
                mail.given.request,
                wishes,
                mail.given.size_octets or 0,
            )

    async def _in_domains_name(self, reverse_path: str) -> Reply | None:
        hello = "" if self._machine.hello is None else self._machine.hello.name
        return await self._sender_domain.mail(reverse_path, self._who, self._client.host, hello)

    async def _judge_sender(self, reverse_path: str) -> Reply:
        """A user may only send as himself: otherwise one tenant could speak for another."""
        if not self._needs.health.connected:
            return roles.UNWELL
        if (busy := self._needs.load.message_refusal()) is not None:
            return busy
        if self._role is not Role.MSA:
            return roles.SENDER_OK
        if self._who is None:
            return roles.AUTH_FIRST
        try:
            owned = not reverse_path or await may_be_envelope(self._needs.directory, self._who, reverse_path)
        except Unavailable as error:
            LOG.warning("sender_unresolved", error=str(error))
            return roles.UNWELL
        return roles.SENDER_OK if owned else roles.NOT_YOURS

    async def _rcpt(self, event: events.RcptAsked) -> None:
        assert self._transaction is not None
        try:
            rcpts = await with_postmaster(self._needs, self._who, event.rcpts)
            paths = tuple(rcpt.forward_path for rcpt in rcpts)
            resolutions = await self._needs.directory.resolve(paths)
            unwanted = await refuse_suppressed(self._needs, self._who, paths, resolutions)
        except Unavailable as error:
            LOG.warning("recipients_unresolved", error=str(error))
            self._machine.answer_rcpt(roles.refuse_all(event.forward_paths, roles.UNWELL))
            return
        hello = "" if self._machine.hello is None else self._machine.hello.name
        refusals = await self._guard.recipients(paths, resolutions, self._transaction.reverse_path, hello)
        replies = [
            refusal
            or suppressed
            or await self._refuse_full(resolution)
            or self._name(self._transaction, rcpt, resolution)
            for rcpt, resolution, refusal, suppressed in zip(
                rcpts, resolutions, refusals, unwanted, strict=True
            )
        ]
        for path, reply in zip(paths, replies, strict=True):
            metrics.recipients(self._role.value, "accepted" if reply.is_positive else "refused").inc()
            if not reply.is_positive:
                LOG.info("recipient_refused", connection=self._connection.id, code=reply.code, recipient=path)
        self._machine.answer_rcpt(replies)
        if self._who is None:
            await self._guard.offended(Offence.UNKNOWN_RECIPIENT, replies.count(roles.UNKNOWN))
        else:
            await self._guard.used(self._who, self._allowance)

    async def _refuse_full(self, resolution: Resolution) -> Reply | None:
        assert self._transaction is not None
        if self._needs.rooms is None:
            return None
        return await self._needs.rooms.refusal(resolution, self._transaction.declared_octets)

    def _name(self, transaction: Transaction, rcpt: Rcpt, resolution: Resolution) -> Reply:
        """One recipient, where there may be another in this time."""
        now = self._needs.clock()
        refusal = self._allowance.may_name_another(now) or self._sender_domain.may_name_another()
        if refusal is not None:
            return refusal
        reply = transaction.add(self._role, rcpt, resolution, self._who)
        if reply.is_positive:
            self._allowance.named_another(now)
            self._sender_domain.named_another()
        return reply

    async def _message(self, content: bytes) -> None:
        transaction, self._transaction = self._transaction, None
        hello = self._machine.hello
        assert transaction is not None
        assert hello is not None
        guard = self._guard
        visit = Visit(
            self._role, self._connection, self._client, hello, self._who, guard.marks, guard.hooking
        )
        self._needs.load.begin()
        try:
            reply = await accept(self._needs, visit, transaction, content)
        finally:
            self._needs.load.end()
            self._intake.release()
            self._sender_domain.release()
        await self._guard.answered(reply)
        self._machine.answer(reply)

    async def _look_up(self, event: events.VrfyAsked | events.ExpnAsked) -> Reply:
        if self._who is None:
            return verifying.CANNOT
        address = verifying.address_of(event.text, self._who)
        if address is None:
            return verifying.BAD
        try:
            [resolution] = await self._needs.directory.resolve([address])
            members = None
            if isinstance(event, events.ExpnAsked) and self._needs.expansions is not None:
                members = await self._needs.expansions.members(address, self._who.account.account_id)
        except Unavailable as error:
            LOG.warning("address_unresolved", error=str(error))
            return roles.UNWELL
        if isinstance(event, events.ExpnAsked):
            return verifying.expand(resolution, self._who, event.charset, members)
        return verifying.verify(address, resolution, self._who, event.charset)

    # -- TLS and login

    async def _start_tls(self) -> None:
        await self._send()
        users_tls = self._needs.users_tls if self._role is Role.MSA else None
        context = users_tls or self._needs.tls
        assert context is not None
        await self._connection.start_tls(context)
        self._machine.tls_started()
        self._note_tls()
        self._machine.offers_auth = self._role is Role.MSA
        self._who = self._connection.owner = None
        self._transaction = None
        self._allowance.log_out()

    async def _start_scram(self, event: events.ScramAsked) -> None:
        try:
            self._machine.scram_offered(
                await self._needs.directory.start_scram(event.login, self._client.host)
            )
        except Unavailable:
            self._machine.answer(CANNOT_CHECK)

    async def _identify(self, event: LoginAsked) -> Identity | TokenRefusal | None:
        directory, client = self._needs.directory, self._client.host
        if isinstance(event, events.TokenAsked):
            return await directory.authenticate_token(event.bearer.login, event.bearer.token, client)
        if isinstance(event, events.CertificateAsked):
            certificate = self._connection.peer_certificate
            return await directory.authenticate_certificate(event.external.login, certificate, client)
        if isinstance(event, events.ScramProven):
            return await directory.finish_scram(event.login, event.credential_id, client)
        return await directory.authenticate(event.credentials.login, event.credentials.password, client)

    async def _auth(self, event: LoginAsked) -> bool:
        try:
            who = await self._identify(event)
        except Unavailable:
            self._machine.answer(CANNOT_CHECK)
            return True
        if not isinstance(who, Identity):
            metrics.LOGINS.labels("denied").inc()
            self._login_failures += 1
            LOG.info("login_denied", connection=self._connection.id, client=self._client.host)
            if who is None:
                self._machine.answer(Reply.of(535, "5.7.8", "The login or the password is wrong"))
            else:
                self._machine.token_refused(who, Reply.of(535, "5.7.8", "The token is not taken"))
            if (closing := await self._guard.failed_login()) is not None:
                self._machine.close(closing)
                return False
            if self._login_failures >= self._needs.settings.login_failures:
                self._machine.close(Reply.of(421, "4.7.0", "Too many wrong passwords"))
                return False
            return True
        metrics.LOGINS.labels("granted").inc()
        if (refusal := self._allowance.log_in(who, self._needs.clock())) is not None:
            self._machine.answer(refusal)
            return False
        self._who = who
        self._connection.owner = who.owner
        self._machine.answer(Reply.of(235, "2.7.0", "Welcome"))
        return True


def handler(needs: Needs, role: Role, implicit_tls: ssl.SSLContext | None = None) -> Handler:
    """What a listener of this role does with a connection. With `implicit_tls` it is in TLS from the start."""

    async def serve(connection: Connection) -> None:
        if role is Role.LMTP and connection.peer_host not in needs.local_mtas:
            connection.write(NOT_OF_THIS_SITE.encode())
            return
        await Session(needs, role, connection, implicit_tls).run()

    return serve
