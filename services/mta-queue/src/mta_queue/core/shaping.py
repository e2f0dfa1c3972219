"""How mail to a destination is shaped: connections, messages a connection, messages in a time, what certain replies do.

A rule says whose it is (a tenant's, or the installation's) and what it matches: one domain (`domain:example.com`), all
domains whose MX hosts are a name or below it (`mx:google.com`), or everything (`*`). The tenant's rule goes before the
installation's, and in each the narrower before the wider. What is counted is counted for a *site*: the domain, the
name of an `mx:` rule, or with `*` the set of MX hosts, so that all domains that one system serves share its limits.

Patterns are matched by RE2: in linear time, whatever the pattern and whatever the reply.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any

import re2

MOST = 1_000_000
REACTIONS_MOST = 50
PATTERN_MOST = 300
LONGEST_SECONDS = 30 * 86_400
SITE_CHARACTERS = 200


class ShapeInvalid(ValueError):
    """The text says what is wrong."""


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = 1 << 20
    options.case_sensitive = False
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ShapeInvalid(f"{pattern!r} is no pattern: {error}") from error


class Action(Enum):
    """What a reply does to its site."""

    # A pause, twice as long each time it comes to it again.
    BACK_OFF = "back-off"
    # No mail until the time is over or somebody lifts it.
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reply in which the pattern is found (as `421 4.7.0 Too fast`) stops its site for so long."""

    pattern: str
    action: Action
    seconds: float

    def __post_init__(self) -> None:
        """Raises ShapeInvalid."""
        if not 0 < len(self.pattern) <= PATTERN_MOST:
            raise ShapeInvalid(f"a pattern has up to {PATTERN_MOST} characters")
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise ShapeInvalid("a pause is up to 30 days long")
        _compiled(self.pattern)

    def fits(self, reply: str) -> bool:
        """Whether it is about this reply."""
        return _compiled(self.pattern).search(reply) is not None


@dataclass(frozen=True, slots=True)
class Shape:
    """0 is no limit. The first reaction that fits counts."""

    connections: int = 0
    messages_a_connection: int = 0
    messages_a_minute: int = 0
    messages_an_hour: int = 0
    reactions: tuple[Reaction, ...] = ()

    def __post_init__(self) -> None:
        """Raises ShapeInvalid."""
        for count in (
            self.connections,
            self.messages_a_connection,
            self.messages_a_minute,
            self.messages_an_hour,
        ):
            if not 0 <= count <= MOST:
                raise ShapeInvalid(f"a limit is a number up to {MOST}; 0 for none")
        if len(self.reactions) > REACTIONS_MOST:
            raise ShapeInvalid(f"at most {REACTIONS_MOST} reactions")

    @property
    def rates(self) -> dict[int, int]:
        """Messages, by the seconds in which there may be so many."""
        wanted = {60: self.messages_a_minute, 3600: self.messages_an_hour}
        return {seconds: count for seconds, count in wanted.items() if count}

    def reaction_to(self, reply: str) -> Reaction | None:
        """The first that fits."""
        return next((each for each in self.reactions if each.fits(reply)), None)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "connections": self.connections,
            "messages_a_connection": self.messages_a_connection,
            "messages_a_minute": self.messages_a_minute,
            "messages_an_hour": self.messages_an_hour,
            "reactions": [
                {"pattern": each.pattern, "action": each.action.value, "seconds": each.seconds}
                for each in self.reactions
            ],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Shape":
        """The reverse of to_json. Raises ShapeInvalid."""
        try:
            reactions = tuple(
                Reaction(each["pattern"], Action(each["action"]), float(each["seconds"]))
                for each in values.get("reactions", ())
            )
            limits = {
                name: int(values.get(name, 0))
                for name in ("connections", "messages_a_connection", "messages_a_minute", "messages_an_hour")
            }
        except (KeyError, TypeError, ValueError) as error:
            raise ShapeInvalid(f"this is no shape: {error}") from error
        return cls(**limits, reactions=reactions)


# A 421 with a policy's status (RFC 3463 X.7) is how large systems say "slower".
DEFAULT = Shape(reactions=(Reaction(r"^421[ -]4\.7\.", Action.BACK_OFF, 300.0),))
BACK_OFF_LONGEST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Shaped:
    """The rule for one destination: whose (`tenant_id` "": everybody's together), and the site that is counted."""

    tenant_id: str
    site: str
    shape: Shape


class NotNow(Exception):
    """The site has all that it may have, until then perhaps."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until


@dataclass(frozen=True, slots=True)
class Passage:
    """What an attempt may do. `shaped` is None where nothing is limited."""

    shaped: Shaped | None
    has_permit: bool = False

    @property
    def messages_a_connection(self) -> int:
        """0: no limit of its own."""
        return self.shaped.shape.messages_a_connection if self.shaped is not None else 0

    @property
    def limited_site(self) -> str:
        """The site whose connections are counted, "" where none are."""
        return f"{self.shaped.tenant_id}/{self.shaped.site}" if self.has_permit and self.shaped else ""


OPEN = Passage(None)


@dataclass(frozen=True, slots=True)
class Shapes:
    """All rules, by tenant id ("" for the installation's) and what they match."""

    rules: Mapping[str, Mapping[str, Shape]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nobody set any."""
        return not any(self.rules.values())

    def rule_for(self, tenant_id: str, domain: str, hosts: Sequence[str]) -> Shaped:
        """The one that counts for a tenant's mail to a domain with these MX hosts."""
        for owner in (tenant_id, ""):
            rules = self.rules.get(owner)
            if not rules:
                continue
            for matches in candidates(domain, hosts):
                if (shape := rules.get(matches)) is not None:
                    return Shaped(owner, site_of(hosts, domain) if matches == "*" else matches, shape)
        return Shaped("", site_of(hosts, domain), DEFAULT)


def candidates(domain: str, hosts: Sequence[str]) -> Iterator[str]:
    """What a rule may match, the narrowest first."""
    yield "domain:" + domain
    if hosts:
        split = [host.rstrip(".").lower().split(".") for host in hosts]
        common = 0
        while all(len(labels) > common for labels in split) and (
            len({labels[-1 - common] for labels in split}) == 1
        ):
            common += 1
        for length in range(common, 0, -1):
            yield "mx:" + ".".join(split[0][-length:])
    yield "*"


def site_of(hosts: Sequence[str], domain: str) -> str:
    """The name of a set of MX hosts; where there are none, the domain's."""
    if not hosts:
        return "domain:" + domain
    name = "hosts:" + ",".join(sorted({host.rstrip(".").lower() for host in hosts}))
    if len(name) <= SITE_CHARACTERS:
        return name
    return name[:SITE_CHARACTERS] + "+" + hashlib.sha256(name.encode()).hexdigest()[:16]


def parse_matches(text: str) -> str:
    """What a rule is about, in the form in which it is kept. Raises ShapeInvalid."""
    text = text.strip().lower().rstrip(".")
    kind, colon, name = text.partition(":")
    if text == "*" or (colon and kind in ("domain", "mx") and _is_name(name)):
        return text
    raise ShapeInvalid(f"{text!r} is not domain:NAME, mx:NAME or *")


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 253 and all(
        0 < len(label) <= 63 and all(each.isalnum() or each in "-_[]:" for each in label)
        for label in name.split(".")
    )


def is_site(name: str) -> bool:
    """Whether a suspension of this name is of a site and not of a domain."""
    return name.startswith(("mx:", "hosts:", "domain:"))
