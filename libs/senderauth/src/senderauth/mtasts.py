"""MTA-STS (RFC 8461): which hosts a domain says take its mail, and that they speak TLS with a certificate.

Reading and matching only: the record is asked for, and the policy fetched and kept, elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from senderauth.names import is_qualified_name, normal_name

MAX_POLICY_OCTETS = 64 * 1024
"""What a fetcher needs to read at most (§3.3)."""

MAX_AGE_SECONDS = 31_557_600
"""A year; longer ones count as this (§3.2)."""

MAX_HOSTS = 500

_RECORD = re.compile(r"v[ \t]*=[ \t]*STSv1[ \t]*;")
_ID = re.compile(r"(?:\A|;)[ \t]*id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})[ \t]*(?:;|\Z)")


class StsMode(Enum):
    """What a sender does when the policy is not met."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """A policy. `hosts` in normal form, some with a `*.` in front."""

    mode: StsMode
    max_age_seconds: int
    hosts: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """True where the policy names this MX host; a wildcard stands for exactly one label (§4.1)."""
        name = normal_name(host)
        parent = name.partition(".")[2]
        return name in self.hosts or (parent != "" and "*." + parent in self.hosts)


@dataclass(frozen=True, slots=True)
class StsFault:
    """A policy that must be treated as if there were none (§3.3). `reason` for TLS reports (RFC 8460 §4.3)."""

    reason: str


def record_name(domain: str) -> str:
    """Where the TXT record is (§3.1)."""
    return "_mta-sts." + normal_name(domain)


def policy_url(domain: str) -> str:
    """Where the policy is; redirects must not be followed (§3.3)."""
    return f"https://mta-sts.{normal_name(domain)}/.well-known/mta-sts.txt"


def policy_id(records: Iterable[str]) -> str | None:
    """The id of the domain's policy from its TXT records; None unless exactly one is MTA-STS's (§3.1)."""
    found = [record for record in records if _RECORD.match(record)]
    if len(found) != 1:
        return None
    match = _ID.search(found[0])
    return None if match is None else match[1]


def parse_policy(body: bytes) -> StsPolicy | StsFault:
    """The policy in a fetched body (§3.2). Unknown keys are nothing; of a key that may stand once the first counts."""
    if len(body) > MAX_POLICY_OCTETS:
        return StsFault("the policy is too long")
    values: dict[str, str] = {}
    hosts: dict[str, None] = {}
    for line in body.decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(":")
        name, value = name.strip(" \t\r"), value.strip(" \t\r")
        if not colon:
            if name:
                return StsFault(f"no line of a policy: {name[:40]!a}")
        elif name != "mx":
            values.setdefault(name, value)
        else:
            host = normal_name(value)
            if not is_qualified_name(host.removeprefix("*.")):
                return StsFault(f"no host: {value[:60]!a}")
            hosts[host] = None
            if len(hosts) > MAX_HOSTS:
                return StsFault("too many hosts")
    if values.get("version") != "STSv1":
        return StsFault("the version is not STSv1")
    try:
        mode = StsMode(values.get("mode", ""))
    except ValueError:
        return StsFault("an unknown mode")
    age = values.get("max_age", "")
    if not re.fullmatch(r"[0-9]{1,10}", age):
        return StsFault("no max_age")
    if not hosts and mode is not StsMode.NONE:
        return StsFault("no mx")
    return StsPolicy(mode, min(int(age), MAX_AGE_SECONDS), tuple(hosts))
