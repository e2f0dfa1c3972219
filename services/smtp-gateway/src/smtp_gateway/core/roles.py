"""The roles, kept apart: MX takes mail from the world for our own domains, MSA takes mail from our users for
anybody (RFC 5598 §4, RFC 6409), LMTP takes mail for our own domains from a site's own MTA, which has checked it. A decision is a Reply, positive or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from directoryclient import Disposition, Identity, Resolution
from mailproto.smtp.body import BodyType
from mailproto.smtp.dsn_request import MessageRequest
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.server_commands import Rcpt
from mailproto.smtp.wishes import NO_WISHES, Wishes
from spool import Recipient


class Role(Enum):
    """Which door it is."""

    MX = "mx"
    MSA = "msa"
    LMTP = "lmtp"


SENDER_OK = Reply.of(250, "2.1.0", "Sender ok")
RECIPIENT_OK = Reply.of(250, "2.1.5", "Recipient ok")
UNWELL = Reply.of(451, "4.3.0", "We cannot do that now; try again later")
NO_RELAY = Reply.of(550, "5.7.1", "We do not relay for strangers")
UNKNOWN = Reply.of(550, "5.1.1", "There is no such recipient here")
NOTICES_ONLY = Reply.of(550, "5.7.1", "Only notices about what was forwarded, MAIL FROM:<>, go back this way")
DISABLED = Reply.of(550, "5.2.1", "The recipient takes no mail now")
LOOP = Reply.of(550, "5.4.6", "The recipient's forwarding leads back to itself")
AUTH_FIRST = Reply.of(530, "5.7.0", "Authenticate first")
NOT_YOURS = Reply.of(550, "5.7.1", "That sender address is not yours")
UNQUALIFIED = Reply.of(554, "5.1.2", "The recipient's domain is not fully qualified (RFC 6409 4.2)")
TOO_MANY = Reply.of(452, "4.5.3", "Too many recipients")
REFUSALS = {
    Disposition.UNKNOWN: UNKNOWN,
    Disposition.DISABLED: DISABLED,
    Disposition.LOOP: LOOP,
}


def owns(who: Identity, resolution: Resolution) -> bool:
    """Whether an address is the user's: it leads to the account, and the tenant whose domain it is is the user's.

    Without the second another tenant's alias that names the account would let it speak for that tenant.
    """
    if resolution.tenant_id != who.account.tenant_id:
        return False
    return any(target.account_id == who.account.account_id for target in resolution.targets)


@dataclass
class Transaction:
    """The recipients of one message as they are collected."""

    reverse_path: str
    body: BodyType
    charset: Charset
    targets_allowed: int
    request: MessageRequest
    wishes: Wishes = NO_WISHES
    declared_octets: int = 0
    recipients: dict[tuple[str, str | None], Recipient] = field(default_factory=dict)

    def add(self, role: Role, rcpt: Rcpt, resolution: Resolution, who: Identity | None) -> Reply:
        """RCPT TO. One that leads to places that are there already adds nothing, and is accepted."""
        given, request = rcpt.forward_path, rcpt.request
        match resolution.disposition:
            case Disposition.UNKNOWN | Disposition.DISABLED | Disposition.LOOP:
                return REFUSALS[resolution.disposition]
            case Disposition.REMOTE:
                if role is not Role.MSA or who is None:
                    return NO_RELAY
                if is_unqualified(given):
                    return UNQUALIFIED
                new = [Recipient(given, given, who.account.tenant_id, None, request)]
            case Disposition.DELIVER if self.reverse_path and is_rewritten(given) and _leads_out(resolution):
                return NOTICES_ONLY
            case Disposition.DELIVER:
                # Success is told of once, by one of the places (RFC 3461 §5.2.7.3).
                others = request.without_success()
                new = [
                    Recipient(
                        target.address,
                        given,
                        target.tenant_id,
                        target.account_id,
                        others if number else request,
                    )
                    for number, target in enumerate(resolution.targets)
                ]
            case _:
                assert_never(resolution.disposition)
        keyed = {(each.address if each.account_id is None else "", each.account_id): each for each in new}
        # An alias of more than that is taken alone: else it would be told to come again for ever.
        if self.recipients and len(self.recipients.keys() | keyed.keys()) > self.targets_allowed:
            return TOO_MANY
        for key, recipient in keyed.items():
            self.recipients.setdefault(key, recipient)
        return RECIPIENT_OK


def is_unqualified(address: str) -> bool:
    """Whether its domain is a single label: nobody else knows it by that."""
    domain = address.rpartition("@")[2]
    return "." not in domain and not domain.startswith("[")


def is_rewritten(address: str) -> bool:
    """Whether it may be an address that a forwarder made of another (SRS)."""
    return address[:4].upper() in ("SRS0", "SRS1") and address[4:5] in ("=", "-", "+")


def _leads_out(resolution: Resolution) -> bool:
    return all(target.account_id is None for target in resolution.targets)


def refuse_all(paths: Sequence[str], reply: Reply) -> list[Reply]:
    """The same answer for each."""
    return [reply] * len(paths)
