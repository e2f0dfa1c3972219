"""Before the login: CAPABILITY's truth, STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 §6.2, RFC 4959)."""

import ssl
from ipaddress import ip_address

from directoryclient import Identity, Unavailable
from mailproto.imap import commands as c
from mailproto.sasl import (
    BEARER_MECHANISMS,
    MECHANISMS,
    BearerExchange,
    Challenge,
    Credentials,
    ExternalExchange,
    Fault,
    SaslExchange,
)
from mailproto.sasl.scram import MECHANISM_PLUS, ChannelBinding, LoginAsked
from mailproto.sasl.scram_exchange import (
    BOUND_SCRAM_MECHANISMS,
    NOT_BOUND,
    Done,
    Failed,
    Proven,
    ScramExchange,
)
from structlog.typing import FilteringBoundLogger

from imap import metrics
from imap.core import dispatch
from imap.core.answer import Answer, Bad, No, ok
from imap.core.capabilities import capabilities, mechanisms
from imap.core.limits import MessageLimits
from imap.edge.wire import Wire
from imap.ports import Directory
from imap.settings import Settings

UTF8_WORDS = {"accept": "UTF8=ACCEPT", "strict": "UTF8=ACCEPT", "only": "UTF8=ONLY"}
LATER = ("That cannot be checked now, try again later", "UNAVAILABLE")
LONGEST_PENALTY_SECONDS = 15.0
WRONG = ("The login or the password is wrong", "AUTHENTICATIONFAILED")


def limits_of(settings: Settings) -> MessageLimits:
    """What one command takes."""
    return MessageLimits(settings.message_limit, settings.save_limit)


class Entrance:
    """Who comes in. `by_account` counts the sessions of each account in this process."""

    def __init__(
        self,
        wire: Wire,
        settings: Settings,
        directory: Directory,
        tls: ssl.SSLContext | None,
        by_account: dict[str, int],
        log: FilteringBoundLogger,
    ) -> None:
        self._wire = wire
        self._settings = settings
        self._directory = directory
        self._tls = tls
        self._by_account = by_account
        self._log = log
        self._failures = 0
        self._mechanisms = mechanisms(settings.scram, settings.oauth)
        self.who: Identity | None = None

    def capabilities(self) -> str:
        """What is true now."""
        return capabilities(
            self._settings.append_octets,
            (*self._certificate_mechanisms(), *self._offered()),
            (*limits_of(self._settings).words(), UTF8_WORDS[self._settings.utf8], *self._imapsieve()),
            is_logged_in=self.who is not None,
            offers_tls=self._tls is not None and not self._wire.is_tls,
            may_log_in=self._may_log_in(),
            may_compress=not self._wire.is_compressed,
            # A compressed connection is not used again.
            may_unauthenticate=self._settings.unauthenticate == "on" and not self._wire.is_compressed,
        )

    def _imapsieve(self) -> tuple[str, ...]:
        """RFC 6785 §2.1."""
        return (f"IMAPSIEVE={self._settings.sieve_url}",) if self._settings.sieve_url else ()

    async def do(self, command: c.Command) -> Answer:
        """A command of somebody who has not logged in. After a good login `who` is set."""
        match command:
            case c.Plain.NOOP:
                return ok("NOOP completed")
            case c.Plain.STARTTLS:
                if self._tls is None or self._wire.is_tls:
                    raise Bad("TLS cannot be started here")
                # What came in clear after this command is not looked at.
                self._wire.forget()
                return ok("Begin TLS now")
            case c.Login():
                self._need_safe()
                return await self._log_in(Credentials(command.login, command.password))
            case c.Authenticate():
                self._need_safe()
                if command.mechanism in BOUND_SCRAM_MECHANISMS and command.mechanism in self._offered():
                    return await self._scram(command)
                if command.mechanism in BEARER_MECHANISMS and command.mechanism in self._mechanisms:
                    return await self._bearer(command)
                if command.mechanism in self._certificate_mechanisms():
                    return await self._external(command)
                return await self._log_in(await self._exchange(command))
            case c.Id():
                await self._wire.say(dispatch.ID)
                return ok("ID completed")
            case _:
                raise Bad("Log in first")

    def leave(self) -> None:
        """The session is over."""
        if self.who is None:
            return
        metrics.SESSIONS.dec()
        account_id = self.who.account.account_id
        left = self._by_account.get(account_id, 1) - 1
        if left:
            self._by_account[account_id] = left
        else:
            self._by_account.pop(account_id, None)
        self.who = None

    def _may_log_in(self) -> bool:
        if self._wire.is_tls:
            return True
        if self._settings.allow_plaintext_login != "loopback":
            return False
        try:
            return ip_address(self._wire.peer_host).is_loopback
        except ValueError:
            return False

    def _need_safe(self) -> None:
        if not self._may_log_in():
            raise No("Start TLS first: a password is not taken in clear", "PRIVACYREQUIRED")

    async def _exchange(self, command: c.Authenticate) -> Credentials:
        if command.mechanism not in MECHANISMS:
            raise No("That mechanism is not offered", "CANNOT")
        exchange = SaslExchange(command.mechanism)
        step = exchange.first_challenge() if command.initial is None else exchange.answer(command.initial)
        while isinstance(step, Challenge):
            await self._wire.say(b"+ " + step.line + b"\r\n")
            step = exchange.answer(await self._wire.line())
        if isinstance(step, Fault):
            if step is Fault.REFUSED:
                raise No(*WRONG)
            raise Bad(step.value)
        return step

    async def _log_in(self, credentials: Credentials) -> Answer:
        try:
            who = await self._directory.authenticate(
                credentials.login, credentials.password, self._wire.peer_host
            )
        except Unavailable:
            raise No(*LATER) from None
        return self._enter(await self._known(who))

    def _certificate_mechanisms(self) -> tuple[bytes, ...]:
        """EXTERNAL where the client has shown a certificate (RFC 4422 App. A)."""
        shown = (
            self._settings.certificate_login != "off" and self._wire.is_tls and self._wire.peer_certificate
        )
        return (b"EXTERNAL",) if shown else ()

    async def _external(self, command: c.Authenticate) -> Answer:
        """The initial response is whom the client wants to be, or nothing."""
        exchange = ExternalExchange()
        line = command.initial
        if line is None:
            await self._wire.say(b"+ " + exchange.first_challenge().line + b"\r\n")
            line = await self._wire.line()
        step = exchange.answer(line)
        if isinstance(step, Fault):
            raise Bad(step.value)
        return self._enter(await self._known(await self._certified(step.login)))

    async def _certified(self, login: str) -> Identity | None:
        try:
            return await self._directory.authenticate_certificate(
                login, self._wire.peer_certificate, self._wire.peer_host
            )
        except Unavailable:
            raise No(*LATER) from None

    async def enter_at_once(self) -> None:
        """PREAUTH where that is configured: who is set where the client's certificate lets it in. Else it logs in."""
        if self._settings.certificate_login != "preauth" or not self._certificate_mechanisms():
            return
        try:
            who = await self._certified("")
            if who is not None:
                self._enter(who)
        except No:
            return

    def _binding(self) -> ChannelBinding:
        """What an exchange may be bound to."""
        end_point = self._wire.tls_end_point if self._settings.scram == "plus" else b""
        return ChannelBinding({"tls-server-end-point": end_point}) if end_point else NOT_BOUND

    def _offered(self) -> tuple[bytes, ...]:
        """PLUS only where there is something to be bound to."""
        if self._settings.scram != "plus" or self._binding().data:
            return self._mechanisms
        return tuple(each for each in self._mechanisms if each != MECHANISM_PLUS)

    async def _scram(self, command: c.Authenticate) -> Answer:
        """RFC 5802. The server proves itself too, so an empty answer of the client stands before our OK."""
        exchange = ScramExchange("", command.mechanism, self._binding())
        step = exchange.first_challenge() if command.initial is None else exchange.answer(command.initial)
        try:
            while not isinstance(step, Proven):
                match step:
                    case Challenge():
                        await self._wire.say(b"+ " + step.line + b"\r\n")
                        step = exchange.answer(await self._wire.line())
                    case LoginAsked():
                        step = exchange.offered(
                            await self._directory.start_scram(step.login, self._wire.peer_host)
                        )
                    case Failed():
                        raise Bad(step.reason)
                    case Done():
                        raise AssertionError("an exchange is not done before its proof")
            found = await self._directory.finish_scram(step.login, step.credential_id, self._wire.peer_host)
        except Unavailable:
            raise No(*LATER) from None
        who = await self._known(found)
        # Who takes his time for the last line is sent away like all others, should he be shut out meanwhile (ADR 21).
        self._wire.belongs_to(who.owner)
        try:
            await self._wire.say(b"+ " + exchange.last_word.line + b"\r\n")
            last = exchange.answer(await self._wire.line())
            if isinstance(last, Failed):
                raise Bad(last.reason)
            return self._enter(who)
        except (No, Bad):
            self._wire.belongs_to(None)
            raise

    async def _bearer(self, command: c.Authenticate) -> Answer:
        """RFC 7628. Whose token lets nobody in is told why, and answers that before it hears our NO."""
        exchange = BearerExchange(command.mechanism)
        line = command.initial
        if line is None:
            await self._wire.say(b"+ " + exchange.first_challenge().line + b"\r\n")
            line = await self._wire.line()
        step = exchange.answer(line)
        if isinstance(step, Fault):
            raise Bad(step.value)
        try:
            found = await self._directory.authenticate_token(step.login, step.token, self._wire.peer_host)
        except Unavailable:
            raise No(*LATER) from None
        if isinstance(found, Identity):
            return self._enter(found)
        await self._wire.say(b"+ " + exchange.refused(found).line + b"\r\n")
        await self._wire.line()
        return self._enter(await self._known(None))

    async def _known(self, who: Identity | None) -> Identity:
        """Raises No, each time later than the last, and ends the session of one who has guessed too often."""
        if who is not None:
            return who
        metrics.LOGINS.labels("denied").inc()
        self._failures += 1
        self._log.info("login_denied")
        if self._settings.login_penalty_seconds:
            seconds = self._settings.login_penalty_seconds * 2.0 ** (self._failures - 1)
            await self._wire.pause(min(seconds, LONGEST_PENALTY_SECONDS))
        if self._failures >= self._settings.login_failures:
            await self._wire.end("Too many wrong passwords")
        raise No(*WRONG)

    def _enter(self, who: Identity) -> Answer:
        account_id = who.account.account_id
        if self._by_account.get(account_id, 0) >= self._settings.connections_a_user:
            raise No("Too many sessions of this account", "LIMIT")
        metrics.LOGINS.labels("granted").inc()
        metrics.SESSIONS.inc()
        self._by_account[account_id] = self._by_account.get(account_id, 0) + 1
        self.who = who
        self._wire.trust()
        self._wire.belongs_to(who.owner)
        return ok("Welcome", f"CAPABILITY {self.capabilities()}")
