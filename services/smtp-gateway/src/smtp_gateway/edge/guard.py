"""Who is let in, and how quickly he is answered: one session's part of it."""

from collections.abc import Sequence
from datetime import datetime

from directoryclient import Disposition, Identity, Resolution, Unavailable
from mailproto.smtp.reply import Reply
from senderauth.authres import MethodResult
from servicekit import logs
from servicekit.tcp import Connection

from smtp_gateway import metrics
from smtp_gateway.core import roles
from smtp_gateway.core.bans import BannedBy
from smtp_gateway.core.hooks import Peer
from smtp_gateway.core.offences import Offence
from smtp_gateway.core.roles import Role
from smtp_gateway.core.senders import chosen_limits
from smtp_gateway.edge.allowance import Allowance
from smtp_gateway.edge.client import Client
from smtp_gateway.edge.hooking import Hooking
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.scanning import INFECTED, UNWANTED
from smtp_gateway.edge.screens import Screens
from smtp_gateway.edge.stranger import Stranger

LOG = logs.logger("smtp_gateway.guard")
NOT_OF_THIS_SITE = Reply.of(421, "4.7.1", "LMTP is for the mail systems of this site")
LAST_CHANCE = Reply.of(421, "4.7.0", "Too many wrong passwords from your network")
FOUND = {UNWANTED: Offence.SPAM, INFECTED: Offence.VIRUS}
# Sessions that wait now, in this process.
_waiting = 0


class Guard:
    """Without screens everybody is let in."""

    def __init__(self, needs: Needs, role: Role, connection: Connection) -> None:
        self._needs = needs
        self._screens = needs.screens
        self._role = role
        self._connection = connection
        self._client = Client("", 0)
        self._host = ""
        self._is_greeted = False
        self._stranger: Stranger | None = None
        self.hooking: Hooking | None = None

    @property
    def marks(self) -> tuple[MethodResult, ...]:
        """What is written down of the client."""
        return () if self._stranger is None else self._stranger.marks

    async def enter(self, client: Client) -> Reply | None:
        """A client is there, another one than before after XCLIENT; why it cannot stay."""
        self._client, self._host = client, client.host
        is_greeted, self._is_greeted = self._is_greeted, True
        self._stranger = None
        refusal = None if self._screens is None else await self._screen(self._screens, is_greeted=is_greeted)
        if refusal is None and self._role is Role.LMTP and client.host not in self._needs.local_mtas:
            # Also whom a proxy speaks for.
            return NOT_OF_THIS_SITE
        if refusal is None and self._needs.hooks:
            await self.close()
            self.hooking = Hooking(self._needs.hooks, self._role.value)
            refusal = await self.hooking.connect(self._peer(None))
        return refusal

    async def _screen(self, screens: Screens, *, is_greeted: bool) -> Reply | None:
        closing = (BannedBy.OPERATOR, BannedBy.OFFENCES) if self._role is Role.MX else (BannedBy.OPERATOR,)
        for by in closing:
            ban = screens.banning.banned(self._host, by)
            if ban is not None:
                metrics.BANNED.labels(by.value).inc()
                LOG.info("banned_client_refused", client=self._host, network=ban.network, by=by.value)
                return _refusal(ban.until)
        if self._role is Role.MX and self._host not in screens.exempt:
            self._stranger = Stranger(self._needs, screens, self._host)
            if not is_greeted:
                early = await self._stranger.waits_for_greeting(self._connection, self._client.early)
                if early is not None:
                    await self.offended(Offence.SPOKE_EARLY)
                return early
        return None

    async def close(self) -> None:
        """The session is over."""
        if self.hooking is not None:
            await self.hooking.close()

    async def mail(self, hello: str, sender: str, who: Identity | None) -> Reply | None:
        """MAIL; why it is refused."""
        refusal = None if self._stranger is None else await self._stranger.mail(hello)
        if refusal is None and self.hooking is not None:
            refusal = await self.hooking.mail(self._peer(who), hello, sender)
        return refusal

    async def recipients(
        self, paths: Sequence[str], resolutions: Sequence[Resolution], sender: str, hello: str
    ) -> list[Reply | None]:
        """RCPT; why each is refused, where it is."""
        refusals: list[Reply | None] = [None] * len(paths)
        if self._stranger is not None:
            refusals = await self._stranger.recipients(paths, resolutions, sender, hello)
        if self.hooking is None:
            return refusals
        asked = (Disposition.DELIVER,) if self._role is Role.MX else (Disposition.DELIVER, Disposition.REMOTE)
        return [
            await self.hooking.rcpt(path) if refusal is None and resolution.disposition in asked else refusal
            for path, resolution, refusal in zip(paths, resolutions, refusals, strict=True)
        ]

    def _peer(self, who: Identity | None) -> Peer:
        return Peer(
            door=self._role.value,
            hostname=self._needs.settings.hostname,
            address=self._client.host,
            port=self._client.port,
            name=self._client.name,
            tls_version=self._connection.tls_version or "",
            tls_cipher=self._connection.tls_cipher or "",
            login="" if who is None else who.address,
            connection=self._connection.id,
        )

    async def slow_down(self) -> None:
        """Before an answer: whoever is near a ban waits for it."""
        global _waiting
        if self._screens is None:
            return
        seconds = self._screens.banning.wait_seconds(self._host, self._needs.clock())
        if not seconds or _waiting >= self._needs.settings.tarpit_clients:
            return
        _waiting += 1
        metrics.TARPITTED.set(_waiting)
        try:
            await self._screens.pause(seconds)
        finally:
            _waiting -= 1
            metrics.TARPITTED.set(_waiting)

    async def offended(self, offence: Offence, times: int = 1) -> None:
        """The client did this."""
        # By LMTP comes what another server took already: what its strangers did is not its fault.
        if self._role is Role.LMTP or (self._stranger is not None and self._stranger.is_favoured):
            return
        if self._screens is not None:
            for _ in range(times):
                await self._screens.banning.offended(self._host, offence, self._needs.clock())

    async def failed_login(self) -> Reply | None:
        """A wrong password; the reply that ends the session where that was the last chance."""
        await self.offended(Offence.WRONG_PASSWORD)
        if self._screens is not None and self._screens.banning.banned(self._host, BannedBy.OFFENCES):
            return LAST_CHANCE
        return None

    async def may_send(self, who: Identity, allowance: Allowance) -> Reply | None:
        """MAIL of a user; why he may not. The limits that his tenant chose hold from now on."""
        if self._screens is not None and self._screens.suspending is not None:
            refusal = self._screens.suspending.refusal(who)
            if refusal is not None:
                metrics.LIMITED.labels(self._role.value, "suspended").inc()
                return refusal
        if self._needs.policies is not None:
            try:
                allowance.chosen = chosen_limits(await self._needs.policies.of(who.account.tenant_id))
            except Unavailable as error:
                LOG.warning("policies_unavailable", error=str(error))
                return roles.UNWELL
        return None

    async def used(self, who: Identity, allowance: Allowance) -> None:
        """A user's command was answered, within the limits or beyond them."""
        if self._screens is None:
            return
        went_over = allowance.went_over()
        if self._screens.remembering is not None:
            self._screens.remembering.used(who.account.account_id, who.account.tenant_id)
        if went_over and self._screens.suspending is not None:
            await self._screens.suspending.went_over(who, self._needs.clock())

    async def answered(self, reply: Reply) -> None:
        """What a whole message was answered with."""
        if self._screens is None or self._role is not Role.MX:
            return
        if reply.is_positive:
            self._screens.banning.forgive(self._host, self._needs.clock())
        elif reply.code >= 500 and reply.enhanced.startswith("5.7."):
            await self.offended(FOUND.get(reply, Offence.UNWANTED_CONTENT))


def _refusal(until: datetime | None) -> Reply:
    end = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
    return Reply.of(554, "5.7.1", f"Your network is banned{end}; ask our postmaster")
