"""Who is let in, and how quickly he is answered: one session's part of it."""

from collections.abc import Sequence
from datetime import datetime

from directoryclient import Identity, Resolution, Unavailable
from mailproto.smtp.reply import Reply
from senderauth.authres import MethodResult
from servicekit import logs
from servicekit.tcp import Connection

from smtp_gateway import metrics
from smtp_gateway.core import roles
from smtp_gateway.core.bans import BannedBy
from smtp_gateway.core.offences import Offence
from smtp_gateway.core.roles import Role
from smtp_gateway.core.senders import chosen_limits
from smtp_gateway.edge.allowance import Allowance
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.screens import Screens
from smtp_gateway.edge.stranger import Stranger

LOG = logs.logger("smtp_gateway.guard")
LAST_CHANCE = Reply.of(421, "4.7.0", "Too many wrong passwords from your network")
# Sessions that wait now, in this process.
_waiting = 0


class Guard:
    """Without screens everybody is let in."""

    def __init__(self, needs: Needs, screens: Screens | None, role: Role) -> None:
        self._needs = needs
        self._screens = screens
        self._role = role
        self._host = ""
        self._stranger: Stranger | None = None

    @property
    def marks(self) -> tuple[MethodResult, ...]:
        """What is written down of the client."""
        return () if self._stranger is None else self._stranger.marks

    async def enter(self, host: str, connection: Connection | None = None) -> Reply | None:
        """A client is there; why it cannot stay. `connection` where it has not been greeted yet."""
        self._host = host
        self._stranger = None
        if self._screens is None:
            return None
        closing = (BannedBy.OPERATOR, BannedBy.OFFENCES) if self._role is Role.MX else (BannedBy.OPERATOR,)
        for by in closing:
            ban = self._screens.banning.banned(host, by)
            if ban is not None:
                metrics.BANNED.labels(by.value).inc()
                LOG.info("banned_client_refused", client=host, network=ban.network, by=by.value)
                return _refusal(ban.until)
        if self._role is Role.MX and host not in self._screens.exempt:
            self._stranger = Stranger(self._needs, self._screens, host)
            if connection is not None:
                early = await self._stranger.waits_for_greeting(connection)
                if early is not None:
                    await self.offended(Offence.SPOKE_EARLY)
                return early
        return None

    async def mail(self, hello: str) -> Reply | None:
        """MAIL of a stranger; why it is refused."""
        return None if self._stranger is None else await self._stranger.mail(hello)

    async def recipients(
        self, paths: Sequence[str], resolutions: Sequence[Resolution], reverse_path: str, hello: str
    ) -> list[Reply | None]:
        """RCPT of a stranger; why each is refused, where it is."""
        if self._stranger is None:
            return [None] * len(paths)
        return await self._stranger.recipients(paths, resolutions, reverse_path, hello)

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
        if self._stranger is not None and self._stranger.is_favoured:
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
            await self.offended(Offence.UNWANTED_CONTENT)


def _refusal(until: datetime | None) -> Reply:
    end = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
    return Reply.of(554, "5.7.1", f"Your network is banned{end}; ask our postmaster")
