"""What one session may still use, and what it is told when that is nothing: 421 ends it, 451 says later."""

from collections.abc import Mapping
from dataclasses import dataclass

from directoryclient import Identity
from mailproto.smtp.reply import Reply
from servicekit import logs

from smtp_gateway import metrics
from smtp_gateway.core.at_once import AtOnce, Together
from smtp_gateway.core.limits import NOTHING_CHOSEN, Chosen, Limited, Limits
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.prefixes import prefix_of
from smtp_gateway.core.roles import Role
from smtp_gateway.limit_settings import LimitSettings

LOG = logs.logger("smtp_gateway.allowance")
# RFC 3463 X.7.0: a matter of policy, not of this message.
TOO_MANY_SESSIONS = Reply.of(421, "4.7.0", "You have too many sessions open; try again later")
TOO_MANY_CONNECTIONS = Reply.of(421, "4.7.0", "You connect too often; try again later")
TOO_MANY_MESSAGES = Reply.of(
    451, "4.7.1", "You send more messages than we take in this time; try again later"
)
TOO_MANY_RECIPIENTS = Reply.of(
    451, "4.7.1", "You name more recipients than we take in this time; try again later"
)
OF_ACCOUNTS = frozenset(
    (
        Limited.ACCOUNT_MESSAGES,
        Limited.ACCOUNT_MESSAGES_DAILY,
        Limited.ACCOUNT_RECIPIENTS,
        Limited.ACCOUNT_RECIPIENTS_DAILY,
    )
)


@dataclass(frozen=True, slots=True)
class Controls:
    """What all sessions of a process share of limits."""

    limits: Limits
    at_once: Mapping[Together, AtOnce]
    unlimited: Networks

    @classmethod
    def of(cls, settings: LimitSettings) -> "Controls":
        """As the settings say."""
        return cls(
            Limits(settings.rates()),
            {
                Together.CLIENT_SESSIONS: AtOnce(settings.client_sessions),
                Together.ACCOUNT_SESSIONS: AtOnce(settings.account_sessions),
                Together.TENANT_SESSIONS: AtOnce(settings.tenant_sessions),
                Together.DOMAIN_TRANSACTIONS: AtOnce(settings.domain_transactions),
            },
            Networks(map(str, settings.unlimited_networks)),
        )


class Allowance:
    """One session's. `close` gives back what it holds."""

    def __init__(self, controls: Controls, settings: LimitSettings, role: Role) -> None:
        self._controls = controls
        self._clients = controls.at_once[Together.CLIENT_SESSIONS]
        self._accounts = controls.at_once[Together.ACCOUNT_SESSIONS]
        self._tenants = controls.at_once[Together.TENANT_SESSIONS]
        self._settings = settings
        self._role = role
        self._client: str | None = None
        self._who: Identity | None = None
        # What the tenant chose, and whether the account went beyond a limit of its own since that was asked last.
        self.chosen: Chosen = NOTHING_CHOSEN
        self._went_over = False

    def connect(self, host: str, now: float) -> Reply | None:
        """A client is there, another one than before after XCLIENT; why it cannot stay."""
        self.close()
        if host in self._controls.unlimited:
            return None
        client = self._prefix(host)
        if not self._clients.enter(client, now):
            return self._refused(Together.CLIENT_SESSIONS.value, client, TOO_MANY_SESSIONS)
        self._client = client
        refusing = self._controls.limits.take([(Limited.CLIENT_CONNECTIONS, client)], 1, now)
        return refusing and self._refused(refusing.value, client, TOO_MANY_CONNECTIONS)

    def log_in(self, who: Identity, now: float) -> Reply | None:
        """Somebody has authenticated; why the session cannot go on."""
        self.log_out()
        account, tenant = who.account.account_id, who.account.tenant_id
        if not self._accounts.enter(account, now):
            return self._refused(Together.ACCOUNT_SESSIONS.value, account, TOO_MANY_SESSIONS)
        if not self._tenants.enter(tenant, now):
            self._accounts.leave(account)
            return self._refused(Together.TENANT_SESSIONS.value, tenant, TOO_MANY_SESSIONS)
        self._who = who
        return None

    def log_out(self) -> None:
        """Nobody is authenticated any more."""
        if self._who is not None:
            self._accounts.leave(self._who.account.account_id)
            self._tenants.leave(self._who.account.tenant_id)
            self._who = None
            self.chosen = NOTHING_CHOSEN

    def message(self, now: float) -> Reply | None:
        """MAIL; why not now."""
        if self._who is None and self._client is None:
            return None
        keys: list[tuple[Limited, str]] = []
        if self._who is not None:
            account, tenant = self._who.account.account_id, self._who.account.tenant_id
            keys += [
                (Limited.ACCOUNT_MESSAGES, account),
                (Limited.ACCOUNT_MESSAGES_DAILY, account),
                (Limited.TENANT_MESSAGES, tenant),
                (Limited.TENANT_MESSAGES_DAILY, tenant),
            ]
        elif self._client is not None and self._role is Role.MX:
            keys.append((Limited.CLIENT_MESSAGES, self._client))
        refusing = self._controls.limits.take(keys, 1, now, self.chosen)
        return refusing and self._limited(refusing, TOO_MANY_MESSAGES)

    def may_name_another(self, now: float) -> Reply | None:
        """RCPT; why not now."""
        if self._who is None and self._client is None:
            return None
        refusing = self._controls.limits.refusing(self._recipient_keys(), 1, now, self.chosen)
        return refusing and self._limited(refusing, TOO_MANY_RECIPIENTS)

    def named_another(self, now: float) -> None:
        """A recipient was accepted."""
        if self._who is None and self._client is None:
            return
        self._controls.limits.spend(self._recipient_keys(), 1, now, self.chosen)

    def close(self) -> None:
        """The session is over."""
        self.log_out()
        if self._client is not None:
            self._clients.leave(self._client)
            self._client = None

    def _recipient_keys(self) -> list[tuple[Limited, str]]:
        if self._who is not None:
            account = self._who.account.account_id
            return [
                (Limited.ACCOUNT_RECIPIENTS, account),
                (Limited.ACCOUNT_RECIPIENTS_DAILY, account),
                (Limited.TENANT_RECIPIENTS, self._who.account.tenant_id),
                (Limited.TENANT_RECIPIENTS_DAILY, self._who.account.tenant_id),
            ]
        if self._client is not None and self._role is Role.MX:
            return [(Limited.CLIENT_RECIPIENTS, self._client)]
        return []

    @property
    def _subject(self) -> str:
        return self._who.account.account_id if self._who is not None else self._client or ""

    def _prefix(self, host: str) -> str:
        settings = self._settings
        return prefix_of(host, settings.client_prefix_v4_bits, settings.client_prefix_v6_bits)

    def went_over(self) -> bool:
        """Whether the account went beyond a limit of its own; asked for once."""
        went_over, self._went_over = self._went_over, False
        return went_over

    def _limited(self, refusing: Limited, reply: Reply) -> Reply:
        self._went_over = self._went_over or refusing in OF_ACCOUNTS
        return self._refused(refusing.value, self._subject, reply)

    def _refused(self, limit: str, subject: str, reply: Reply) -> Reply:
        metrics.LIMITED.labels(self._role.value, limit).inc()
        LOG.info("limit_reached", limit=limit, subject=subject, role=self._role.value)
        return reply
