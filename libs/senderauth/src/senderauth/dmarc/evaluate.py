"""DMARC's verdict (RFC 9989 §5.3): does someone who is authenticated speak for the author's domain, and if not, what
does its owner wish?

A domain that cannot be aligned is never looked up: an identifier's organizational domain is at or above it, so only
names at or below the author's are walked. That bounds the questions (8 for the author, 8 for each such name, 1 for
whether the author's domain exists), and it keeps a stranger's slow DNS from turning a FAIL into a TEMPERROR.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from senderauth.dkim.verify import DkimResult
from senderauth.dmarc.discovery import Level, TreeWalker, Walk, policy_at
from senderauth.dmarc.record import Alignment, DmarcRecord, Policy
from senderauth.dns import NoAnswer, RecordType, Resolve
from senderauth.names import is_at_or_below, is_qualified_name, normal_name
from senderauth.result import Result
from senderauth.spf import SpfResult


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """PASS, FAIL, NONE (no record), TEMPERROR or PERMERROR.

    `policy` is what the owner published for this domain, `disposition` what is asked for this message: NONE unless it
    failed, and one level below where the record is a test. `aligned` are the domains that passed and align; `level`
    is the tag that the policy came from.
    """

    result: Result
    author_domain: str
    reason: str = ""
    policy: Policy = Policy.NONE
    disposition: Policy = Policy.NONE
    policy_domain: str = ""
    organizational_domain: str = ""
    level: Level = Level.DOMAIN
    aligned: tuple[str, ...] = ()
    record: DmarcRecord | None = None


async def evaluate(
    resolve: Resolve, author_domain: str, spf: SpfResult | None, dkim: Iterable[DkimResult], *, lot: int = 0
) -> DmarcResult:
    """`spf` is the MAIL FROM identity's. `lot` is a number from 0 to 99 that the caller draws for each message: with
    pct=p (RFC 7489 §6.6.4) those from p on get the policy one level below. Left at 0, only pct=0 matters.
    """
    author = normal_name(author_domain)
    if not is_qualified_name(author):
        return DmarcResult(Result.PERMERROR, author[:255], "not a domain name")
    walker = TreeWalker(resolve)
    walk = await walker.walk(author)
    applying = walk.applying()
    if applying is None or (not walk.is_complete and applying[0] != author):
        if not walk.is_complete:
            return DmarcResult(Result.TEMPERROR, author, "no answer for the policy")
        return DmarcResult(Result.NONE, author, "no DMARC record")
    policy_domain, record = applying
    level = Level.DOMAIN if policy_domain == author else await _level(resolve, author, record)
    policy = policy_at(record, level)
    if policy is None:
        return DmarcResult(Result.PERMERROR, author, "the policy cannot be read", policy_domain=policy_domain)
    aligned, undecided = await _aligned(walker, walk, record, spf, dkim)
    if aligned:
        result, reason, disposition = Result.PASS, "", Policy.NONE
    elif undecided:
        result, reason, disposition = Result.TEMPERROR, "a check had no answer from DNS", Policy.NONE
    else:
        result, reason = Result.FAIL, "no aligned domain passed"
        is_sampled = lot < record.percent
        disposition = policy if is_sampled and not record.is_test else policy.one_below
    return DmarcResult(
        result,
        author,
        reason,
        policy,
        disposition,
        policy_domain,
        walk.organizational_domain,
        level,
        aligned,
        record,
    )


async def _level(resolve: Resolve, author: str, record: DmarcRecord) -> Level:
    """§3.2.13: a domain does not exist where DNS says NXDOMAIN. Only asked where it makes a difference."""
    if policy_at(record, Level.NONEXISTENT) is policy_at(record, Level.SUBDOMAIN):
        return Level.SUBDOMAIN
    answer = await resolve(author, RecordType.A)
    return Level.NONEXISTENT if answer is NoAnswer.NO_NAME else Level.SUBDOMAIN


async def _aligned(
    walker: TreeWalker, author: Walk, record: DmarcRecord, spf: SpfResult | None, dkim: Iterable[DkimResult]
) -> tuple[tuple[str, ...], bool]:
    """The aligned domains that passed; and whether one that did not might have with a better DNS."""
    claims = [
        (each.domain, record.dkim_alignment, each.speaks_for_domain, each.result is Result.TEMPERROR)
        for each in dkim
    ]
    if spf is not None:
        passed = spf.result is Result.PASS
        claims.append((spf.domain, record.spf_alignment, passed, spf.result is Result.TEMPERROR))
    aligned: dict[str, None] = {}
    undecided = False
    for domain, alignment, passed, is_open in claims:
        if not passed and not is_open:
            continue
        verdict = await _is_aligned(walker, author, normal_name(domain), alignment)
        if verdict is Result.PASS and passed:
            aligned[normal_name(domain)] = None
        elif verdict is not Result.FAIL:
            undecided = True
    return tuple(aligned), undecided


async def _is_aligned(walker: TreeWalker, author: Walk, domain: str, alignment: Alignment) -> Result:
    """PASS, FAIL, or TEMPERROR where DNS gave no answer (RFC 9989 §4.4)."""
    if domain == author.domain:
        return Result.PASS
    organizational_domain = author.organizational_domain
    if alignment is Alignment.STRICT:
        return Result.FAIL
    if not is_at_or_below(domain, organizational_domain):
        # Unless it was DNS that kept us from seeing how far up the author's organization reaches.
        return Result.FAIL if author.is_complete else Result.TEMPERROR
    walk = await walker.walk(domain)
    if walk.organizational_domain == organizational_domain:
        return Result.PASS
    return Result.FAIL if walk.is_complete else Result.TEMPERROR
