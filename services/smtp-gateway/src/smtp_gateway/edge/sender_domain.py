"""How much is taken in the name of one sender domain, MAIL FROM's: messages and recipients in a time, messages at once.

A stranger writes any domain there. So that nobody uses up another's share by forging it, what SPF vouches for counts apart,
and SPF is asked only where the share of all others is used up: up to there a limit costs no look-up. Users own what they
send as, and count apart from strangers who name the same domain. Notices (MAIL FROM:<>) have no domain; the limits of
clients hold for them.
"""

from directoryclient import Identity
from mailproto.smtp.reply import Reply
from servicekit import logs

from smtp_gateway import metrics
from smtp_gateway.core.at_once import Together
from smtp_gateway.core.limits import Limited
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.needs import Needs

LOG = logs.logger("smtp_gateway.sender_domain")
TOO_MUCH = Reply.of(451, "4.7.1", "Too much mail comes in the name of this domain; try again later")
# Between processes keys have a length; the end of a name says most of it.
KEY_CHARACTERS = 90


class SenderDomain:
    """One session's."""

    def __init__(self, needs: Needs, role: Role) -> None:
        self._needs = needs
        self._role = role
        self._limits = needs.controls.limits
        self._transactions = needs.controls.at_once[Together.DOMAIN_TRANSACTIONS]
        # Of the message that is being received.
        self._key = ""

    async def mail(self, reverse_path: str, who: Identity | None, host: str, hello: str) -> Reply | None:
        """MAIL; why not now."""
        self.release()
        domain = reverse_path.rpartition("@")[2].lower()[-KEY_CHARACTERS:]
        if not domain:
            return None
        if who is not None:
            return self._refusal(f"user {domain}")
        if self._role is not Role.MX or host in self._needs.controls.unlimited:
            return None
        refusal = self._refusal(domain)
        checker = self._needs.checker
        if refusal is None or checker is None or not await checker.spf_passes(host, hello, reverse_path):
            return refusal
        return self._refusal(f"spf {domain}")

    def may_name_another(self) -> Reply | None:
        """RCPT; why not now."""
        if not self._key:
            return None
        keys = [(Limited.DOMAIN_RECIPIENTS, self._key)]
        refusing = self._limits.refusing(keys, 1, self._needs.clock())
        return refusing and self._refused(refusing.value, self._key)

    def named_another(self) -> None:
        """A recipient was accepted."""
        if self._key:
            self._limits.spend([(Limited.DOMAIN_RECIPIENTS, self._key)], 1, self._needs.clock())

    def release(self) -> None:
        """The message is over, or the session is."""
        if self._key:
            self._transactions.leave(self._key)
            self._key = ""

    def _refusal(self, key: str) -> Reply | None:
        now = self._needs.clock()
        if not self._transactions.enter(key, now):
            return self._refused(Together.DOMAIN_TRANSACTIONS.value, key)
        refusing = self._limits.take([(Limited.DOMAIN_MESSAGES, key)], 1, now)
        if refusing is not None:
            self._transactions.leave(key)
            return self._refused(refusing.value, key)
        self._key = key
        return None

    def _refused(self, limit: str, key: str) -> Reply:
        metrics.LIMITED.labels(self._role.value, limit).inc()
        LOG.info("limit_reached", limit=limit, subject=key, role=self._role.value)
        return TOO_MUCH
