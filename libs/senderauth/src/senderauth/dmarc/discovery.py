"""The DNS tree walk (RFC 9989 §4.10): a domain's records, its organizational domain, the record that applies to it.

A walk asks at most 8 questions, names of 8 labels and more being cut to 7 after the first. What one walk has asked is
not asked again by the next one of the same `TreeWalker`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from senderauth.dmarc.record import DmarcRecord, Policy, PublicSuffix, parse_record
from senderauth.dns import NoAnswer, RecordType, Resolve, TempError
from senderauth.names import is_name

MAX_QUESTIONS_A_WALK = 8


@dataclass(frozen=True, slots=True)
class Walk:
    """The records found from `domain` upwards, longest name first. Incomplete where DNS failed on the way."""

    domain: str
    records: tuple[tuple[str, DmarcRecord], ...]
    is_complete: bool

    @property
    def organizational_domain(self) -> str:
        """§4.10.2. `domain` itself where nothing says more."""
        for name, record in self.records:
            if record.public_suffix is PublicSuffix.NO:
                return name
            if record.public_suffix is PublicSuffix.YES and name != self.domain:
                labels = self.domain.removesuffix("." + name)
                return labels.rpartition(".")[2] + "." + name
        return self.records[-1][0] if self.records else self.domain

    def applying(self) -> tuple[str, DmarcRecord] | None:
        """The record that applies to mail from `domain`, and whose it is (§4.10.1).

        That of the domain itself, else that of its organizational domain, else that of the public suffix above.
        """
        records = dict(self.records)
        organizational_domain = self.organizational_domain
        for name in (self.domain, organizational_domain):
            if name in records:
                return name, records[name]
        for name, record in self.records:
            if record.public_suffix is PublicSuffix.YES:
                return name, record
        return None


class Level(Enum):
    """Which of a record's policies applies."""

    DOMAIN = "p"
    SUBDOMAIN = "sp"
    NONEXISTENT = "np"


def policy_at(record: DmarcRecord, level: Level) -> Policy | None:
    """np falls back to sp, sp to p; None where the record is not to be applied."""
    if record.policy is None:
        return None
    subdomain = record.subdomain_policy or record.policy
    match level:
        case Level.DOMAIN:
            return record.policy
        case Level.SUBDOMAIN:
            return subdomain
        case Level.NONEXISTENT:
            return record.nonexistent_policy or subdomain


def walk_names(domain: str) -> list[str]:
    """The domains that a walk looks at."""
    labels = domain.split(".")
    names = [domain]
    rest = labels[-7:] if len(labels) >= MAX_QUESTIONS_A_WALK else labels[1:]
    names += [".".join(rest[start:]) for start in range(len(rest))]
    return names


class TreeWalker:
    """Walks, remembering answers."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._answers: dict[str, DmarcRecord | TempError | None] = {}

    async def walk(self, domain: str) -> Walk:
        """From `domain`, in normal form, to the top, or to the first record with psd=y or psd=n."""
        found = []
        is_complete = True
        for name in walk_names(domain):
            record = await self._record(name)
            if isinstance(record, TempError):
                is_complete = False
            elif record is not None:
                found.append((name, record))
                if record.public_suffix is not PublicSuffix.UNKNOWN:
                    break
        return Walk(domain, tuple(found), is_complete)

    async def _record(self, domain: str) -> DmarcRecord | TempError | None:
        if domain not in self._answers:
            self._answers[domain] = await self._ask("_dmarc." + domain)
        return self._answers[domain]

    async def _ask(self, name: str) -> DmarcRecord | TempError | None:
        if not is_name(name):
            return None
        answer = await self._resolve(name, RecordType.TXT)
        if isinstance(answer, TempError):
            return answer
        if isinstance(answer, NoAnswer):
            return None
        records = [record for record in map(parse_record, answer.records) if record is not None]
        # Several are as good as none (§4.10).
        return records[0] if len(records) == 1 else None
