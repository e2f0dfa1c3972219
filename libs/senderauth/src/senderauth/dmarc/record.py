"""DMARC records (RFC 9989 §4.7, §4.8; pct from RFC 7489 §6.3).

Only the version must be right. A tag with a wrong value counts as absent; unknown ones are passed over; of several of
one name the first counts. A wrong p, sp or np makes the record one of p=none where it asks for reports, else one that
is not applied at all (§4.10.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from urllib.parse import unquote

MAX_REPORT_URIS = 10
KEPT_RECORDS = 1024
KEPT_LENGTH = 1024

_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:[^\s,!]+)(?:!([0-9]{1,12})([kmgt]?))?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class Policy(Enum):
    """What the domain's owner wishes for mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def one_below(self) -> Policy:
        """The next milder one, as t=y asks for."""
        return Policy.QUARANTINE if self is Policy.REJECT else Policy.NONE


class Alignment(Enum):
    """How alike two domains must be: the same organization, or the same name."""

    RELAXED = "r"
    STRICT = "s"


class PublicSuffix(Enum):
    """psd=: whether the domain is one under which others register names."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


@dataclass(frozen=True, slots=True)
class ReportUri:
    """Where reports go. `max_octets` only in records of RFC 7489's time."""

    uri: str
    max_octets: int | None = None


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record in parts. `policy` None: the record must not be applied. `percent` is pct, 100 where it is absent."""

    policy: Policy | None
    subdomain_policy: Policy | None = None
    nonexistent_policy: Policy | None = None
    dkim_alignment: Alignment = Alignment.RELAXED
    spf_alignment: Alignment = Alignment.RELAXED
    public_suffix: PublicSuffix = PublicSuffix.UNKNOWN
    is_test: bool = False
    percent: int = 100
    aggregate_reports: tuple[ReportUri, ...] = ()
    failure_reports: tuple[ReportUri, ...] = ()
    failure_options: frozenset[str] = frozenset({"0"})


def parse_record(text: str) -> DmarcRecord | None:
    """None where it is no DMARC record. Linear.

    The last `KEPT_RECORDS` are kept as they were parsed: a few domains' mail is most of it.
    """
    return _parse_kept(text) if len(text) <= KEPT_LENGTH else _parse(text)


def _parse(text: str) -> DmarcRecord | None:
    version = _VERSION.match(text)
    if version is None:
        return None
    tags: dict[str, str] = {}
    for entry in text[version.end() :].split(";"):
        name, _, value = entry.partition("=")
        tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    aggregate = _report_uris(tags.get("rua", ""))
    policies: dict[str, Policy | None] = {"p": Policy.NONE, "sp": None, "np": None}
    is_valid = True
    for name in policies:
        if name in tags:
            try:
                policies[name] = Policy(tags[name].lower())
            except ValueError:
                is_valid = False
    if not is_valid:
        policies = {"p": Policy.NONE if aggregate else None, "sp": None, "np": None}
    percent = tags.get("pct", "")
    return DmarcRecord(
        policies["p"],
        policies["sp"],
        policies["np"],
        Alignment.STRICT if tags.get("adkim", "").lower() == "s" else Alignment.RELAXED,
        Alignment.STRICT if tags.get("aspf", "").lower() == "s" else Alignment.RELAXED,
        _public_suffix(tags.get("psd", "")),
        tags.get("t", "").lower() == "y",
        min(100, int(percent)) if re.fullmatch(r"[0-9]{1,3}", percent) else 100,
        aggregate,
        _report_uris(tags.get("ruf", "")),
        _failure_options(tags.get("fo", "")),
    )


_parse_kept = lru_cache(KEPT_RECORDS)(_parse)


def _public_suffix(text: str) -> PublicSuffix:
    try:
        return PublicSuffix(text.lower())
    except ValueError:
        return PublicSuffix.UNKNOWN


def _failure_options(text: str) -> frozenset[str]:
    options = frozenset(option.strip(" \t").lower() for option in text.split(":"))
    return options if options <= {"0", "1", "d", "s"} else frozenset({"0"})


def _report_uris(text: str) -> tuple[ReportUri, ...]:
    found: list[ReportUri] = []
    for entry in text.split(",", 4 * MAX_REPORT_URIS):
        uri = _URI.fullmatch(entry.strip(" \t"))
        if uri is not None and len(found) < MAX_REPORT_URIS:
            limit = None if uri[2] is None else int(uri[2]) * _UNITS[uri[3].lower()]
            found.append(ReportUri(unquote(uri[1]), limit))
    return tuple(found)
