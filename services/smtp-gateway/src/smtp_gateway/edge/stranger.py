"""What one client of the MX door is, and says of itself: whether it waits for the greeting, its name, its address in DNS,
whether anybody knows it. Asked once a session, when the answer is needed.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from directoryclient import Disposition, Resolution, Unavailable
from mailproto.smtp.reply import Reply
from senderauth import Result
from senderauth.authres import MethodResult
from servicekit import logs
from servicekit.tcp import Connection

from smtp_gateway import metrics
from smtp_gateway.core import roles
from smtp_gateway.core.blocklists import Standing
from smtp_gateway.core.greylist import Attempt
from smtp_gateway.core.hello import fault_of
from smtp_gateway.core.prefixes import prefix_of
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.screens import Screens

LOG = logs.logger("smtp_gateway.stranger")
TOO_EARLY = Reply.of(554, "5.5.0", "You spoke before the greeting")
# RFC 7372 §3.2
NO_CLIENT_NAME = Reply.of(550, "5.7.25", "Your address has no name that leads back to it")
CLIENT_NAME_UNKNOWN = Reply.of(451, "4.7.25", "Your address's name cannot be looked up now; try again later")


class Stranger:
    """One client."""

    def __init__(self, needs: Needs, screens: Screens, host: str) -> None:
        self._needs = needs
        self._screens = screens
        self._settings = needs.settings
        self._host = host
        self._standing: Standing | None = None
        self._name_refusal: Reply | None = None
        self._hello_mark: tuple[MethodResult, ...] = ()

    @property
    def is_favoured(self) -> bool:
        """Whether a list speaks for it, as far as they were asked."""
        return self._standing is not None and self._standing.score < 0

    @property
    def marks(self) -> tuple[MethodResult, ...]:
        """What Authentication-Results tells of it (RFC 8601, RFC 8904); what no RFC names has "x-"."""
        standing = self._standing or Standing()
        try:
            address = str(ip_address(self._host))
        except ValueError:
            address = ""
        known = [MethodResult("dnswl", "pass", (("dns.zone", zone),)) for zone in standing.in_favour]
        known += [
            MethodResult("x-dnsbl", "fail", (("dns.zone", zone), ("policy.iprev", address)))
            for zone in standing.against
        ]
        return (*self._hello_mark, *known)

    async def waits_for_greeting(self, connection: Connection, came: bytes) -> Reply | None:
        """Why it is sent away: it spoke first; `came` already, behind a proxy's preface. Whoever has waited lately need
        not wait again.
        """
        prefix, now = prefix_of(self._host), self._needs.clock()
        if self._settings.early_talkers == "taken" or self._screens.patient.has(prefix, now):
            return None
        try:
            came = came or await connection.read(self._settings.greeting_seconds)
        except TimeoutError:
            self._screens.patient.note(prefix, now)
            return None
        # Nothing is a client that has gone: it will not hear of it.
        return self._refused("early", TOO_EARLY) if came else None

    async def mail(self, hello: str) -> Reply | None:
        """MAIL; why it is refused."""
        fault = None
        if self._settings.hello_checks != "off":
            ours = frozenset((self._settings.hostname.lower(),))
            fault = fault_of(hello, self._host, ours)
        self._hello_mark = ()
        if fault is not None:
            if self._settings.hello_checks == "reject":
                return self._refused("hello", Reply.of(550, "5.7.1", f"You call yourself {fault.value}"))
            told = (("smtp.helo", hello),)
            self._hello_mark = (MethodResult("x-helo", "fail", told, fault.value),)
        if self._standing is None:
            self._standing = Standing()
            if self._screens.blocklists is not None:
                self._standing = await self._screens.blocklists.standing(self._host)
            self._name_refusal = await self._judge_name()
        return self._name_refusal

    async def recipients(
        self, paths: Sequence[str], resolutions: Sequence[Resolution], reverse_path: str, hello: str
    ) -> list[Reply | None]:
        """RCPT; why each is refused, where it is."""
        return [
            await self._recipient(path, resolution, reverse_path, hello)
            if resolution.disposition is Disposition.DELIVER
            else None
            for path, resolution in zip(paths, resolutions, strict=True)
        ]

    async def _recipient(
        self, path: str, resolution: Resolution, reverse_path: str, hello: str
    ) -> Reply | None:
        standing = self._standing or Standing()
        # RFC 5321 §4.5.1: whoever is refused can ask why.
        if path.lower().startswith(("postmaster@", "abuse@")):
            return None
        if standing.score >= self._settings.blocklist_refuse_score and standing.against:
            text = f"Your address [{self._host}] is listed by {standing.against[0]}"
            return self._refused("blocklist", Reply.of(550, "5.7.1", text))
        greylisting = self._screens.greylisting
        if greylisting is None or self._needs.policies is None or self.is_favoured:
            return None

        async def spf_passes() -> bool:
            checker = self._needs.checker
            return checker is not None and await checker.spf_passes(self._host, hello, reverse_path)

        for tenant_id in sorted({target.tenant_id for target in resolution.targets}):
            try:
                wanted = (await self._needs.policies.of(tenant_id)).greylisting
            except Unavailable as error:
                LOG.warning("policies_unavailable", error=str(error))
                return roles.UNWELL
            if wanted:
                attempt = Attempt(tenant_id, self._host, reverse_path, path)
                if (refusal := await greylisting.refusal(attempt, spf_passes)) is not None:
                    return refusal
        return None

    async def _judge_name(self) -> Reply | None:
        """Only where it is to be refused for it; else it is told with the other checks."""
        if self._settings.client_names != "reject" or self._needs.checker is None:
            return None
        match await self._needs.checker.client_name(self._host):
            case Result.FAIL | Result.PERMERROR:
                return self._refused("name", NO_CLIENT_NAME)
            case Result.TEMPERROR:
                return self._refused("name_unknown", CLIENT_NAME_UNKNOWN)
        return None

    def _refused(self, reason: str, reply: Reply) -> Reply:
        metrics.CLIENTS_REFUSED.labels(reason).inc()
        LOG.info("client_refused", client=self._host, reason=reason, code=reply.code)
        return reply
