"""Match types (RFC 5228 §2.7.1, RFC 5231, RFC 6134, draft-ietf-sieve-regex): does a value match a key?"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from sieve.arguments import Bound, Kind, Tag
from sieve.errors import Fault
from sieve.matching.comparator import Comparator
from sieve.matching.regex import Regex
from sieve.matching.wildcard import BadPattern, Wildcard
from sieve.scope import Scope
from sieve.text import Text
from sieve.world import ListContains, ListExists

if TYPE_CHECKING:
    from sieve.machine import Machine

MATCH_TAGS = (
    Tag("is", group="match type"),
    Tag("contains", group="match type"),
    Tag("matches", group="match type"),
    Tag("regex", None, "regex", "match type"),
    Tag("count", Kind.STRING, "relational", "match type"),
    Tag("value", Kind.STRING, "relational", "match type"),
    Tag("list", None, "extlists", "match type"),
    Tag("comparator", Kind.STRING),
)
"""MATCH-TYPE and COMPARATOR (RFC 5228 §8.3)."""

_RELATIONS = {b"gt", b"ge", b"lt", b"le", b"eq", b"ne"}
_OCTETS_PER_STEP = 512


class MatchType(Enum):
    """How a value is held against a key."""

    IS = "is"
    CONTAINS = "contains"
    MATCHES = "matches"
    REGEX = "regex"
    COUNT = "count"
    VALUE = "value"
    LIST = "list"


class Source(Enum):
    """Where values come from: what match variables hold is as trustworthy as that (RFC 5435 §8)."""

    MESSAGE = "message"
    USER = "user"


class Matcher:
    """Match type, comparator and keys of one test."""

    def __init__(
        self, match_type: MatchType, relation: bytes, comparator: Comparator, keys: tuple[Text, ...]
    ) -> None:
        self.match_type = match_type
        self._relation = relation
        self._comparator = comparator
        self._keys = keys
        self._wildcards: dict[bytes, Wildcard] = {}
        self._regexes: dict[bytes, Regex] = {}

    @property
    def counts(self) -> bool:
        """True where the number of values is compared (RFC 5231 §4.2)."""
        return self.match_type is MatchType.COUNT

    def prepare(self, scope: Scope) -> None:
        """Compile the constant patterns. Raises BadPattern."""
        limits = scope.limits
        for key in self._keys:
            if key.is_constant and self.match_type is MatchType.REGEX:
                regex = self._regex(key.source, limits.regex_states)
                scope.regex_states += regex.size
                if scope.regex_states > limits.script_regex_states:
                    raise BadPattern("the expressions of the script are too large together")
                self._regexes[key.source] = regex
            elif key.is_constant and self.match_type is MatchType.MATCHES:
                self._wildcards[key.source] = Wildcard(self._comparator.folded(key.source))

    def any(
        self, machine: Machine, values: Iterable[bytes], source: Source, *, sets_variables: bool = True
    ) -> bool:
        """True where any value matches any key; the first that does sets the match variables."""
        keys = [key.value(machine) for key in self._keys]
        return self.any_key(machine, values, keys, source, sets_variables=sets_variables)

    def any_key(
        self,
        machine: Machine,
        values: Iterable[bytes],
        keys: list[bytes],
        source: Source,
        *,
        sets_variables: bool = True,
    ) -> bool:
        """`any` for keys that are at hand already."""
        for value in values:
            for key in keys:
                machine.spend(1 + (len(value) + len(key)) // _OCTETS_PER_STEP)
                if self._matches(machine, value, key, source, sets_variables=sets_variables):
                    return True
        return False

    def number(self, machine: Machine, count: int) -> bool:
        """True where the count stands in the relation to any key."""
        shown = b"%d" % count
        return any(self._relates(shown, key.value(machine)) for key in self._keys)

    def _matches(
        self, machine: Machine, value: bytes, key: bytes, source: Source, *, sets_variables: bool
    ) -> bool:
        comparator = self._comparator
        found: list[bytes] | None
        match self.match_type:
            case MatchType.IS:
                return comparator.order(value, key) == 0
            case MatchType.CONTAINS:
                return comparator.folded(key) in comparator.folded(value)
            case MatchType.VALUE | MatchType.COUNT:
                return self._relates(value, key)
            case MatchType.MATCHES:
                wildcard = self._wildcards.get(key) or _wildcard(machine, comparator.folded(key))
                machine.spend(wildcard.cost * (1 + len(value) // _OCTETS_PER_STEP))
                found = wildcard.match(comparator.folded(value), value)
                if found is not None:
                    found.insert(0, value)
            case MatchType.REGEX:
                found = self._regex_groups(machine, value, key, keeps=sets_variables)
            case MatchType.LIST:
                found = [value] if self._is_listed(machine, value, key) else None
        if found is None:
            return False
        if sets_variables:
            machine.set_matches(found, is_trusted=source is Source.USER)
        return True

    def _relates(self, value: bytes, key: bytes) -> bool:
        order = self._comparator.order(value, key)
        match self._relation:
            case b"gt":
                return order > 0
            case b"ge":
                return order >= 0
            case b"lt":
                return order < 0
            case b"le":
                return order <= 0
            case b"eq":
                return order == 0
            case _:
                return order != 0

    def _regex_groups(self, machine: Machine, value: bytes, key: bytes, *, keeps: bool) -> list[bytes] | None:
        regex = self._regexes.get(key)
        if regex is None:
            try:
                regex = self._regex(key, machine.limits.regex_states)
            except BadPattern as error:
                raise Fault(f"a regular expression: {error}") from None
            machine.spend(1 + 8 * len(key))
        text = value.decode("utf-8", "surrogateescape")
        if not regex.search(text, machine.spend):
            return None
        if not keeps or not machine.has_variables:
            return []
        groups = regex.groups_in(text, machine.spend)
        return None if groups is None else [group.encode("utf-8", "surrogateescape") for group in groups]

    def _regex(self, key: bytes, max_states: int) -> Regex:
        ignores_case = self._comparator is Comparator.CASEMAP
        pattern = key.decode("utf-8", "surrogateescape")
        return Regex(pattern, ignores_case=ignores_case, max_states=max_states)

    def _is_listed(self, machine: Machine, value: bytes, key: bytes) -> bool:
        name = key.decode("utf-8", "replace")
        if not machine.is_so(ListExists(name)):
            raise Fault(f'there is no list "{name[:100]}"')
        return machine.is_so(ListContains(name, value.decode("utf-8", "replace")))


def _wildcard(machine: Machine, pattern: bytes) -> Wildcard:
    machine.spend(1 + 4 * len(pattern))
    try:
        return Wildcard(pattern)
    except BadPattern as error:
        raise Fault(str(error)) from None


def read_matcher(bound: Bound, scope: Scope, keys: tuple[Text, ...]) -> Matcher:
    """The matcher that a test's tags ask for. Raises ScriptError."""
    name = bound.one_of("is", "contains", "matches", "regex", "count", "value", "list") or "is"
    match_type = MatchType(name)
    comparator = _comparator(bound, scope)
    relation = b"eq"
    if match_type in (MatchType.COUNT, MatchType.VALUE):
        text = bound.tag_text(name)
        assert text is not None
        relation = bound.constant(text, f'the relation of ":{name}"').lower()
        if relation not in _RELATIONS:
            raise bound.error(f'":{name}" takes one of "gt", "ge", "lt", "le", "eq", "ne"')
    if (
        match_type in (MatchType.CONTAINS, MatchType.MATCHES, MatchType.REGEX)
        and not comparator.has_substrings
    ):
        raise bound.error(f'the comparator "{comparator.value}" can\'t be used with ":{name}"')
    matcher = Matcher(match_type, relation, comparator, keys)
    try:
        matcher.prepare(scope)
    except BadPattern as error:
        what = "a regular expression: " if match_type is MatchType.REGEX else ""
        raise bound.error(f"{what}{error}") from None
    return matcher


def _comparator(bound: Bound, scope: Scope) -> Comparator:
    text = bound.tag_text("comparator")
    if text is None:
        return Comparator.CASEMAP
    name = bound.constant(text, "the name of a comparator").decode("utf-8", "replace")
    try:
        comparator = Comparator(name)
    except ValueError:
        scope.use(f"comparator-{name[:100]}", f'the comparator "{name[:100]}"', bound.line)
        raise bound.error(f'there is no comparator "{name[:100]}"') from None
    scope.use(f"comparator-{name}", f'the comparator "{name}"', bound.line)
    return comparator
