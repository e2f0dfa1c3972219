"""What becomes of a message by who is speaking in it: checked, written down, refused or kept apart.

Fields of Authentication-Results in our name are taken out whole, at both doors, before anything is accepted: what is
stored is what came without them (ADR 3). Signatures are checked on what came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from directoryclient import Unavailable
from eventbus.subjects import DMARC_RESULT
from mailproto.smtp.reply import Reply
from senderauth import Result, authres
from senderauth.dmarc import AuthorFault
from servicekit import logs
from spool import Speaker

from smtp_gateway import metrics
from smtp_gateway.core import dmarc_told, roles, verdicts
from smtp_gateway.core.roles import Role, Transaction
from smtp_gateway.core.verdicts import Findings, Limit
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.visit import Visit

LOG = logs.logger("smtp_gateway.judging")


@dataclass(frozen=True, slots=True)
class Judged:
    """The message as it is stored, and the field that stands before it; `speaker` is None where nothing was checked."""

    content: bytes
    field: bytes = b""
    speaker: Speaker | None = None
    quarantined_tenants: frozenset[str] = frozenset()


async def judge(
    needs: Needs, visit: Visit, transaction: Transaction, content: bytes, header: bytes
) -> Judged | Reply:
    """The Reply refuses it. `header` is the message's, in lower case. What comes from our users is not checked here: they are known by their login."""
    if visit.role is Role.MSA:
        return Judged(content)
    kept = without_forged(needs, content, header)
    if needs.checker is None or visit.role is Role.LMTP:
        return Judged(kept)
    findings = await needs.checker.check(
        visit.client.host, visit.hello.name, transaction.reverse_path, content
    )
    if findings is None:
        return Judged(kept)
    _count(findings)
    tenants = sorted({each.tenant_id for each in transaction.recipients.values()})
    try:
        decision = await _decide(needs, findings, tenants)
    except Unavailable as error:
        LOG.warning("policies_unavailable", connection=visit.connection.id, error=str(error))
        return roles.UNWELL
    action = "refused" if isinstance(decision, Reply) else "quarantined" if decision else "taken"
    metrics.DMARC_ACTIONS.labels(action).inc()
    LOG.info(
        "sender_checked",
        connection=visit.connection.id,
        client=visit.client.host,
        spf=findings.spf.result.value,
        dkim=[f"{each.domain}={each.result.value}" for each in findings.dkim],
        dmarc=findings.dmarc.result.value if findings.dmarc is not None else "none",
        author=findings.author.value if isinstance(findings.author, AuthorFault) else findings.author,
        action=action,
    )
    if needs.tell is not None and (told := dmarc_told.payload(findings, action, trusted_sealers(needs))):
        needs.tell(DMARC_RESULT, told)
    if isinstance(decision, Reply):
        return decision
    field = authres.field(_own_name(needs), [*verdicts.methods(findings), *visit.marks])
    return Judged(kept, field, verdicts.speaker(findings), decision)


def without_forged(needs: Needs, content: bytes, header: bytes) -> bytes:
    """The message without fields of Authentication-Results in our name; `header` is its header in lower case."""
    if b"authentication-results" not in header:
        return content
    end = len(header)
    stripped = authres.strip_forged(content[:end], {_own_name(needs), needs.settings.hostname})
    if len(stripped) == end:
        return content
    metrics.FORGED_RESULTS.inc()
    return stripped + content[end:]


def trusted_sealers(needs: Needs) -> frozenset[str]:
    """Domains whose ARC results are heard."""
    return frozenset(each.lower() for each in needs.settings.arc_trusted_sealers)


def _own_name(needs: Needs) -> str:
    return needs.settings.authserv_id or needs.settings.hostname


async def _decide(needs: Needs, findings: Findings, tenants: Sequence[str]) -> frozenset[str] | Reply:
    """The Reply refuses it, else the tenants for whom it is quarantined. Raises Unavailable."""
    believed = trusted_sealers(needs)
    if findings.author in verdicts.AMBIGUOUS:
        if needs.settings.ambiguous_authors == "refused":
            return verdicts.NO_AGREED_AUTHOR
        if needs.settings.ambiguous_authors == "taken" or verdicts.is_vouched_for(findings, believed):
            return frozenset()
        return verdicts.followers(await _limits(needs, tenants))
    if findings.dmarc is None or not verdicts.is_unwanted(findings, believed):
        return frozenset()
    return verdicts.follow(findings.dmarc, await _limits(needs, tenants))


async def _limits(needs: Needs, tenants: Sequence[str]) -> dict[str, Limit]:
    """Raises Unavailable."""
    limits = {}
    for tenant_id in tenants:
        chosen = "" if needs.policies is None else (await needs.policies.of(tenant_id)).dmarc
        limits[tenant_id] = Limit(chosen or needs.settings.dmarc)
    return limits


def _count(findings: Findings) -> None:
    counted = {"spf": findings.spf.result, "iprev": findings.iprev.result, "arc": findings.arc.result}
    counted["dkim"] = _best(findings)
    counted["dmarc"] = Result.NONE if findings.dmarc is None else findings.dmarc.result
    for method, result in counted.items():
        metrics.SENDER_CHECKS.labels(method, result.value).inc()


def _best(findings: Findings) -> Result:
    """A message is counted as signed well when one signature is."""
    results = [each.result for each in findings.dkim]
    return Result.PASS if Result.PASS in results else next(iter(results), Result.NONE)
