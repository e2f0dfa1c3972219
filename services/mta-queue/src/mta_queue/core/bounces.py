"""What a reply that refuses means: the table is bounces.toml, looked through from its top.

Kinds: `bad-mailbox`, `bad-domain` and `inactive-mailbox` say that nobody is there (hard); `mailbox-full`, `greylisted`,
`rate-limit`, `unreachable` and `their-fault` pass; `spam-block` is about where a message came from, `spam-content` and
`virus` about what is in it, `authentication` about SPF, DKIM, DMARC or reverse DNS, `policy` about rules of theirs;
`too-big`, `relaying-denied`, `protocol` and `other` speak for themselves.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import re2
from mailproto.smtp.reply import Reply


class Kind(Enum):
    """What a refusal is about."""

    BAD_MAILBOX = "bad-mailbox"
    BAD_DOMAIN = "bad-domain"
    INACTIVE_MAILBOX = "inactive-mailbox"
    MAILBOX_FULL = "mailbox-full"
    GREYLISTED = "greylisted"
    RATE_LIMIT = "rate-limit"
    TOO_BIG = "too-big"
    RELAYING_DENIED = "relaying-denied"
    AUTHENTICATION = "authentication"
    VIRUS = "virus"
    SPAM_BLOCK = "spam-block"
    SPAM_CONTENT = "spam-content"
    POLICY = "policy"
    UNREACHABLE = "unreachable"
    THEIR_FAULT = "their-fault"
    PROTOCOL = "protocol"
    OTHER = "other"


# Nobody is there: to try another message is to annoy.
HARD = frozenset({Kind.BAD_MAILBOX, Kind.BAD_DOMAIN, Kind.INACTIVE_MAILBOX})


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: Kind
    codes: str
    pattern: Any


@cache
def _rules() -> tuple[_Rule, ...]:
    table = tomllib.loads(files("mta_queue.core").joinpath("bounces.toml").read_text("utf-8"))
    return tuple(_read(table))


def _read(table: dict[str, Any]) -> Iterator[_Rule]:
    options = re2.Options()
    options.case_sensitive = False
    for entry in table["rule"]:
        pattern = "|".join(f"(?:{each})" for each in entry["patterns"])
        yield _Rule(Kind(entry["kind"]), entry["codes"], re2.compile(pattern, options))


def classify(reply: Reply) -> Kind:
    """Of a 4yz or 5yz reply."""
    return classify_text(" ".join(filter(None, (str(reply.code), reply.enhanced, reply.text))))


@lru_cache(maxsize=4096)
def classify_text(text: str) -> Kind:
    """Of a reply as one line."""
    return next(
        (rule.kind for rule in _rules() if text[:1] in rule.codes and rule.pattern.search(text)), Kind.OTHER
    )


def is_hard(reply: Reply) -> bool:
    """Whether it says for good that nobody is there."""
    return reply.code >= 500 and classify(reply) in HARD
