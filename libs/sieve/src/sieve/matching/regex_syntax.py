"""POSIX extended regular expressions as trees (IEEE Std 1003.1, chapter 9), with `\\w \\W \\s \\S \\d \\D` besides.

There are no back references: they can't be had in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sieve.matching.wildcard import MAX_PATTERN_OCTETS, BadPattern

MAX_REPEAT = 255
MAX_GROUP_DEPTH = 50
MAX_REPEATS_OF_ONE = 4
"""As in `a*?`: each is one more level of the tree, which is walked by functions that call themselves."""

_BOUND = re.compile(r"\{([0-9]{1,3})(?:(,)([0-9]{0,3}))?\}")
_POSIX_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": str.isalpha,
    "digit": lambda sign: sign in "0123456789",
    "alnum": str.isalnum,
    "upper": str.isupper,
    "lower": str.islower,
    "space": str.isspace,
    "blank": lambda sign: sign in " \t",
    "punct": lambda sign: sign.isprintable() and not sign.isalnum() and not sign.isspace(),
    "print": str.isprintable,
    "graph": lambda sign: sign.isprintable() and not sign.isspace(),
    "cntrl": lambda sign: ord(sign) < 0x20 or ord(sign) == 0x7F,
    "xdigit": lambda sign: sign in "0123456789abcdefABCDEF",
    "word": lambda sign: sign.isalnum() or sign == "_",
}
_SHORTHANDS = {"w": "word", "s": "space", "d": "digit"}


class BadRegex(BadPattern):
    """The pattern is no regular expression, or one that is not supported."""


@dataclass(frozen=True, slots=True)
class Signs:
    """A set of characters: ranges and named classes, or all but these."""

    ranges: tuple[tuple[str, str], ...]
    classes: tuple[str, ...] = ()
    is_negated: bool = False

    def has(self, sign: str) -> bool:
        """True for a character of the set."""
        inside = any(low <= sign <= high for low, high in self.ranges) or any(
            _POSIX_CLASSES[name](sign) for name in self.classes
        )
        return inside is not self.is_negated

    @property
    def cost(self) -> int:
        """How many steps it is to ask."""
        return 1 + (len(self.ranges) + len(self.classes)) // 8


ANY = Signs((), (), True)


@dataclass(frozen=True, slots=True)
class One:
    """One character of a set."""

    signs: Signs


@dataclass(frozen=True, slots=True)
class Anchor:
    """The start of the value, or its end."""

    at_start: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A parenthesised expression; what it matched is match variable `number`."""

    number: int
    tree: Tree


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    trees: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several, the first preferred."""

    trees: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """At least `least` times, at most `most` (None: no end)."""

    tree: Tree
    least: int
    most: int | None


Tree = One | Anchor | Group | Sequence | Choice | Repeat


def parse_regex(pattern: str) -> tuple[Tree, int]:
    """The tree of a pattern, and how many groups it has. Raises BadRegex."""
    if len(pattern) > MAX_PATTERN_OCTETS:
        raise BadRegex(f"the expression is longer than {MAX_PATTERN_OCTETS} characters")
    parser = _Parser(pattern)
    tree = parser.choice(0)
    if parser.position < len(pattern):
        raise BadRegex('")" without "("')
    return tree, parser.groups


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.position = 0
        self.groups = 0

    def choice(self, depth: int) -> Tree:
        if depth > MAX_GROUP_DEPTH:
            raise BadRegex("groups are nested too deeply")
        branches = [self._branch(depth)]
        while self._peek() == "|":
            self.position += 1
            branches.append(self._branch(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _peek(self) -> str:
        return self._pattern[self.position : self.position + 1]

    def _branch(self, depth: int) -> Tree:
        trees: list[Tree] = []
        while (sign := self._peek()) and sign not in "|)":
            trees.append(self._repeated(self._atom(depth)))
        return trees[0] if len(trees) == 1 else Sequence(tuple(trees))

    def _repeated(self, tree: Tree) -> Tree:
        for _ in range(MAX_REPEATS_OF_ONE + 1):
            sign = self._peek()
            if sign in ("*", "+", "?"):
                self.position += 1
                tree = Repeat(tree, 1 if sign == "+" else 0, 1 if sign == "?" else None)
            elif sign == "{" and (bound := _BOUND.match(self._pattern, self.position)) is not None:
                self.position = bound.end()
                least = int(bound[1])
                most = least if bound[2] is None else int(bound[3]) if bound[3] else None
                if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
                    raise BadRegex(f"{bound[0]} is no number of times from 0 to {MAX_REPEAT}")
                tree = Repeat(tree, least, most)
            else:
                return tree
        raise BadRegex("too many repetitions of one thing")

    def _atom(self, depth: int) -> Tree:
        sign = self._peek()
        self.position += 1
        if sign == "(":
            self.groups += 1
            number = self.groups
            tree = self.choice(depth + 1)
            if self._peek() != ")":
                raise BadRegex('"(" without ")"')
            self.position += 1
            return Group(number, tree)
        if sign == "[":
            return One(self._bracket())
        if sign == ".":
            return One(ANY)
        if sign in "^$":
            return Anchor(sign == "^")
        if sign in "*+?":
            raise BadRegex(f'"{sign}" repeats nothing')
        if sign == "\\":
            return One(self._escape())
        return One(Signs(((sign, sign),)))

    def _escape(self) -> Signs:
        sign = self._peek()
        self.position += 1
        if sign.lower() in _SHORTHANDS and sign:
            return Signs((), (_SHORTHANDS[sign.lower()],), sign.isupper())
        if not sign or (sign.isascii() and sign.isalnum()) or sign in "<>`'":
            raise BadRegex(f'"\\{sign}" is not supported')
        return Signs(((sign, sign),))

    def _bracket(self) -> Signs:
        is_negated = self._peek() == "^"
        if is_negated:
            self.position += 1
        ranges: list[tuple[str, str]] = []
        classes: list[str] = []
        is_first = True
        while (sign := self._peek()) != "]" or is_first:
            if not sign:
                raise BadRegex('"[" without "]"')
            is_first = False
            if self._pattern.startswith("[:", self.position):
                classes.append(self._named(":"))
                continue
            low = self._bracket_sign()
            high = low
            if self._peek() == "-" and self._pattern[self.position + 1 : self.position + 2] not in ("]", ""):
                self.position += 1
                high = self._bracket_sign()
                if high < low:
                    raise BadRegex(f'the range "{low}-{high}" runs backwards')
            ranges.append((low, high))
        self.position += 1
        return Signs(tuple(ranges), tuple(classes), is_negated)

    def _bracket_sign(self) -> str:
        for mark in ".=":
            if self._pattern.startswith("[" + mark, self.position):
                name = self._named(mark)
                if len(name) != 1:
                    raise BadRegex(f'there is no collating element "{name[:20]}"')
                return name
        sign = self._peek()
        self.position += 1
        return sign

    def _named(self, mark: str) -> str:
        end = self._pattern.find(mark + "]", self.position + 2)
        name = self._pattern[self.position + 2 : end] if end >= 0 else ""
        if end < 0 or (mark == ":" and name not in _POSIX_CLASSES):
            raise BadRegex(f'there is no class "{name[:20]}"')
        self.position = end + 2
        return name


def quoted(text: str) -> str:
    """A pattern that matches this text and nothing else."""
    return re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", text)
