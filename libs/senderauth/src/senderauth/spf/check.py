"""check_host() (RFC 7208 §4): may this address speak for this domain?

At most 10 terms that ask DNS are evaluated (§4.6.4), of which mx asks up to 11 questions and ptr up to 11, %{p} up to
11 once, and two more fetch the first record and the explanation: never more than 125 questions, as a rule under 10.
Recursion (include, redirect) ends with the 10 terms.

Void answers are counted for a term's own question. Not for the addresses of an mx's hosts: three of them without IPv6
would make every IPv6 client a PERMERROR instead of a FAIL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import assert_never

from senderauth.dns import Answers, NoAnswer, RecordType, Resolve, TempError
from senderauth.names import Address, is_at_or_below, is_name, is_qualified_name, normal_name
from senderauth.result import Result
from senderauth.reverse import ReverseNames, address_type, reverse_names
from senderauth.spf.macro import (
    Facts,
    SyntaxFault,
    Template,
    expand,
    expand_name,
    needs_reverse_name,
    parse_explanation,
)
from senderauth.spf.record import Directive, Kind, Record, parse_record, select_records

MAX_LOOKUP_TERMS = 10
MAX_VOID_TERMS = 2
MAX_MX_HOSTS = 10
MAX_EXPLANATION = 400
"""Characters of an explanation that are used; it comes from a stranger and goes into an SMTP reply."""


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What came out for `domain`, and why.

    `reason` is ours and short. `explanation` is the domain's own text for a FAIL (§6.2): printable ASCII, but a
    stranger's words; empty without one. `term` is the mechanism that decided, empty for none.
    """

    result: Result
    domain: str
    reason: str = ""
    explanation: str = ""
    term: str = ""


class _Fault(Exception):
    """Ends the evaluation with TEMPERROR or PERMERROR."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


async def check_mail_from(
    resolve: Resolve, address: Address, reverse_path: str, helo: str, *, receiver: str, now: datetime
) -> SpfResult:
    """The MAIL FROM identity (§2.4). With an empty reverse-path it is postmaster@ what HELO said.

    `reverse_path` without angle brackets; `receiver` is the name of this host, for explanations.
    """
    local_part, at, domain = reverse_path.rpartition("@")
    if not at:
        local_part, domain = "postmaster", helo
    return await check_host(
        resolve, address, domain, local_part or "postmaster", domain, helo, receiver=receiver, now=now
    )


async def check_helo(
    resolve: Resolve, address: Address, helo: str, *, receiver: str, now: datetime
) -> SpfResult:
    """The HELO identity (§2.3)."""
    return await check_host(resolve, address, helo, "postmaster", helo, helo, receiver=receiver, now=now)


async def check_host(
    resolve: Resolve,
    address: Address,
    domain: str,
    local_part: str,
    sender_domain: str,
    helo: str,
    *,
    receiver: str,
    now: datetime,
) -> SpfResult:
    """The function of §4. Never raises for what is published or sent."""
    name = normal_name(domain)
    if not is_qualified_name(name):
        return SpfResult(Result.NONE, name[:255], "not a domain name")
    facts = Facts(address, name, local_part, normal_name(sender_domain), helo, receiver or "unknown", now)
    return await _Check(resolve, facts).run(name)


class _Check:
    """One evaluation with its counters, which includes and redirects share."""

    def __init__(self, resolve: Resolve, facts: Facts) -> None:
        self._resolve = resolve
        self._facts = facts
        self._lookup_terms = 0
        self._void_terms = 0
        self._reverse: ReverseNames | None = None

    async def run(self, domain: str) -> SpfResult:
        try:
            found = await self._evaluate(domain)
        except _Fault as fault:
            return SpfResult(fault.result, domain, fault.reason)
        if isinstance(found, str):
            return SpfResult(Result.NONE, domain, found)
        result, term, record, record_domain = found
        explanation = ""
        if result is Result.FAIL and record.explanation is not None:
            explanation = await self._explain(record.explanation, record_domain)
        reason = f"{term} matches" if term else "no mechanism matches"
        return SpfResult(result, domain, reason, explanation, term)

    async def _evaluate(self, domain: str) -> tuple[Result, str, Record, str] | str:
        """Result, deciding term, the record it stands in and that record's domain; or why there is no record."""
        record = await self._record(domain)
        if isinstance(record, str):
            return record
        while True:
            for directive in record.directives:
                if await self._matches(directive, domain):
                    return directive.result, directive.text, record, domain
            if record.redirect is None:
                return Result.NEUTRAL, "", record, domain
            self._count_lookup()
            domain = await self._name(record.redirect, domain)
            if not is_name(domain):
                raise _Fault(Result.PERMERROR, "redirect to what is no name")
            following = await self._record(domain)
            if isinstance(following, str):
                raise _Fault(Result.PERMERROR, f"redirect to {domain}, which has no SPF record")
            record = following

    async def _record(self, domain: str) -> Record | str:
        """The record, or why there is none."""
        answer = await self._resolve(domain, RecordType.TXT)
        if isinstance(answer, TempError):
            raise _Fault(Result.TEMPERROR, f"no answer for the record of {domain}")
        texts = [] if isinstance(answer, NoAnswer) else select_records(answer.records)
        if not texts:
            return "no SPF record"
        if len(texts) > 1:
            raise _Fault(Result.PERMERROR, f"{domain} has {len(texts)} SPF records")
        if not texts[0].isascii():
            raise _Fault(Result.PERMERROR, f"the record of {domain} is not ASCII")
        try:
            return parse_record(texts[0])
        except SyntaxFault as fault:
            raise _Fault(Result.PERMERROR, f"the record of {domain}: {fault}") from None

    def _count_lookup(self) -> None:
        self._lookup_terms += 1
        if self._lookup_terms > MAX_LOOKUP_TERMS:
            raise _Fault(Result.PERMERROR, f"more than {MAX_LOOKUP_TERMS} terms that need DNS")

    def _count_void(self) -> None:
        self._void_terms += 1
        if self._void_terms > MAX_VOID_TERMS:
            raise _Fault(Result.PERMERROR, f"more than {MAX_VOID_TERMS} void answers")

    async def _matches(self, directive: Directive, domain: str) -> bool:
        kind = directive.kind
        if kind is Kind.ALL:
            return True
        if kind is Kind.IP4 or kind is Kind.IP6:
            return directive.network is not None and self._facts.address in directive.network
        self._count_lookup()
        target = domain if directive.domain is None else await self._name(directive.domain, domain)
        if kind is Kind.INCLUDE:
            return await self._include(target)
        if kind is Kind.PTR:
            return await self._ptr(target)
        if not is_name(target):
            return False  # §4.8 leaves it open: a name that DNS cannot hold is a name that does not exist.
        if kind is Kind.EXISTS:
            return bool(await self._term_records(target, RecordType.A))
        if kind is Kind.A:
            addresses = await self._term_records(target, address_type(self._facts.address))
            return self._is_among(addresses, directive)
        if kind is Kind.MX:
            return await self._mx(target, directive)
        assert_never(kind)

    async def _term_records(self, name: str, record_type: RecordType) -> tuple[str, ...]:
        """The records of a term's own question."""
        answer = await self._resolve(name, record_type)
        if isinstance(answer, TempError):
            raise _Fault(Result.TEMPERROR, f"no answer for {name} {record_type.value}")
        if isinstance(answer, NoAnswer):
            self._count_void()
            return ()
        return answer.records

    def _is_among(self, addresses: tuple[str, ...], directive: Directive) -> bool:
        client = self._facts.address
        prefix = directive.prefix4 if client.version == 4 else directive.prefix6
        try:
            if prefix == client.max_prefixlen:
                return any(ip_address(each) == client for each in addresses)
            network = ip_network(
                (int(client).to_bytes(client.max_prefixlen // 8, "big"), prefix), strict=False
            )
            return any(ip_address(each) in network for each in addresses)
        except ValueError:
            return False

    async def _mx(self, target: str, directive: Directive) -> bool:
        hosts = await self._term_records(target, RecordType.MX)
        if len(hosts) > MAX_MX_HOSTS:
            raise _Fault(Result.PERMERROR, f"{target} has more than {MAX_MX_HOSTS} MX records")
        for host in map(normal_name, hosts):
            if not is_name(host):
                continue
            answer = await self._resolve(host, address_type(self._facts.address))
            if isinstance(answer, TempError):
                raise _Fault(Result.TEMPERROR, f"no answer for the address of {host}")
            if isinstance(answer, Answers) and self._is_among(answer.records, directive):
                return True
        return False

    async def _include(self, target: str) -> bool:
        if not is_name(target):
            raise _Fault(Result.PERMERROR, "include of what is no name")
        found = await self._evaluate(target)
        if isinstance(found, str):
            raise _Fault(Result.PERMERROR, f"include of {target}, which has no SPF record")
        return found[0] is Result.PASS

    async def _ptr(self, target: str) -> bool:
        names = await self._reverse_names()
        if names.is_void:
            self._count_void()
        return any(is_at_or_below(name, target) for name in names.confirmed)

    async def _reverse_names(self) -> ReverseNames:
        if self._reverse is None:
            self._reverse = await reverse_names(self._resolve, self._facts.address)
        return self._reverse

    async def _facts_for(self, template: Template, domain: str) -> Facts:
        facts = replace(self._facts, domain=domain)
        if needs_reverse_name(template):
            names = (await self._reverse_names()).confirmed
            if names:
                # §7.3: the domain itself, else one below it, else any.
                best = min(names, key=lambda name: (name != domain, not is_at_or_below(name, domain)))
                facts = replace(facts, reverse_name=best)
        return facts

    async def _name(self, template: Template, domain: str) -> str:
        return expand_name(template, await self._facts_for(template, domain)) or ""

    async def _explain(self, template: Template, domain: str) -> str:
        """The domain's explanation; anything wrong with it means none (§6.2)."""
        target = await self._name(template, domain)
        if not is_name(target):
            return ""
        answer = await self._resolve(target, RecordType.TXT)
        if not isinstance(answer, Answers) or len(answer.records) != 1 or not answer.records[0].isascii():
            return ""
        try:
            parsed = parse_explanation(answer.records[0])
        except SyntaxFault:
            return ""
        text = expand(parsed, await self._facts_for(parsed, domain)) or ""
        return text[:MAX_EXPLANATION] if text.isascii() and text.isprintable() else ""
