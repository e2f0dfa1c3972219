"""What the checks of a message come to: the field that tells of them, what travels in the envelope, what is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from mailproto.smtp.reply import Reply
from senderauth import Result, authres
from senderauth.arc import ArcResult
from senderauth.authres import MethodResult
from senderauth.dkim import DkimResult
from senderauth.dmarc import AuthorFault, DmarcResult, Policy
from senderauth.iprev import IprevResult
from senderauth.names import Address
from senderauth.spf import SpfResult
from spool import Signature, Speaker

# Of a chain that may have 50; the newest say most.
SEALERS_TOLD = 10
# Several that mean what no reader agrees on; without any From there is only nothing to judge.
AMBIGUOUS = frozenset((AuthorFault.SEVERAL_DOMAINS, AuthorFault.AMBIGUOUS, AuthorFault.TOO_LONG))
NO_AGREED_AUTHOR = Reply.of(550, "5.7.1", "The From field can be read as several domains")


class Limit(Enum):
    """How far a domain owner's wish is followed."""

    MARK = "mark"
    QUARANTINE = "quarantine"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose message it is said to be. `reverse_path` without angle brackets, "" for the null one."""

    address: Address
    helo: str
    reverse_path: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found out. `helo` is None with a null reverse-path, where `spf` is HELO's already.

    `dmarc` is None where From names no domain.
    """

    caller: Caller
    spf: SpfResult
    helo: SpfResult | None
    iprev: IprevResult
    dkim: tuple[DkimResult, ...]
    arc: ArcResult
    author: str | AuthorFault
    dmarc: DmarcResult | None


def methods(findings: Findings) -> list[MethodResult]:
    """What Authentication-Results says, the most telling first."""
    told = [authres.of_mail_from(findings.spf, findings.caller.reverse_path)]
    if findings.helo is not None:
        told.append(authres.of_helo(findings.helo))
    told += authres.of_dkim(findings.dkim)
    if findings.arc.result is not Result.NONE:
        told.append(authres.of_arc(findings.arc.result, findings.arc.oldest_pass, findings.caller.address))
    if findings.dmarc is not None:
        told.append(authres.of_dmarc(findings.dmarc))
    elif isinstance(findings.author, AuthorFault):
        told.append(MethodResult("dmarc", Result.PERMERROR.value, reason=findings.author.value))
    told.append(authres.of_iprev(findings.iprev))
    return told


def speaker(findings: Findings) -> Speaker:
    """For the envelope."""
    dmarc = findings.dmarc
    return Speaker(
        spf=findings.spf.result,
        spf_domain=findings.spf.domain,
        spf_helo=(findings.helo or findings.spf).result,
        iprev=findings.iprev.result,
        client_name=findings.iprev.name,
        signatures=tuple(Signature(each.result, each.domain, each.selector) for each in findings.dkim),
        arc=findings.arc.result,
        arc_sealers=findings.arc.sealers[-SEALERS_TOLD:],
        dmarc=Result.PERMERROR if dmarc is None else dmarc.result,
        author_domain="" if dmarc is None else dmarc.author_domain,
        dmarc_wish=Policy.NONE.value if dmarc is None else dmarc.disposition.value,
    )


def is_vouched_for(findings: Findings, trusted_sealers: frozenset[str]) -> bool:
    """Whether a forwarder that is believed saw the message pass DMARC before it changed it (RFC 8617 §7.2)."""
    seen = findings.arc.trusted_results(trusted_sealers) if trusted_sealers else None
    return seen is not None and any(
        each.method == "dmarc" and each.result == Result.PASS.value for each in seen.results
    )


def is_unwanted(findings: Findings, trusted_sealers: frozenset[str]) -> bool:
    """Whether the domain of From asks to do something with this message, and nobody who is believed speaks for it."""
    if findings.dmarc is None or findings.dmarc.disposition is Policy.NONE:
        return False
    return not is_vouched_for(findings, trusted_sealers)


def follow(dmarc: DmarcResult, limits: Mapping[str, Limit]) -> frozenset[str] | Reply:
    """What is done with an unwanted message (RFC 9989 §5.4), by the limit of each tenant among the recipients.

    The Reply refuses it (RFC 7372 §3.3), where all want that: there is one answer for all recipients. Else the tenants
    for whom it is quarantined.
    """
    if dmarc.disposition is Policy.REJECT and all(limit is Limit.REJECT for limit in limits.values()):
        domain = dmarc.author_domain
        return Reply.of(
            550, "5.7.26", f"Neither SPF nor DKIM speaks for {domain}, which asks to refuse such mail"
        )
    return followers(limits)


def followers(limits: Mapping[str, Limit]) -> frozenset[str]:
    """The tenants who do something with what DMARC does not bear out."""
    return frozenset(tenant for tenant, limit in limits.items() if limit is not Limit.MARK)
