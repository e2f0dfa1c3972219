"""The tree that the parser makes: what the grammar says, before any meaning (RFC 5228 §8.2). Names are lower case."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberArgument:
    """A number, its quantifier worked in."""

    value: int
    line: int


@dataclass(frozen=True, slots=True)
class TagArgument:
    """`:name`."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class StringsArgument:
    """A string list, or a single string (`bracketed` is False then)."""

    values: tuple[bytes, ...]
    bracketed: bool
    line: int


Argument = NumberArgument | TagArgument | StringsArgument


@dataclass(frozen=True, slots=True)
class TestNode:
    """A test. `tests` are the tests in it, `listed` says that they stood in parentheses."""

    name: str
    arguments: tuple[Argument, ...]
    tests: tuple[TestNode, ...]
    listed: bool
    line: int


@dataclass(frozen=True, slots=True)
class CommandNode:
    """A command. `block` is None where it ended with a semicolon."""

    name: str
    arguments: tuple[Argument, ...]
    tests: tuple[TestNode, ...]
    listed: bool
    block: tuple[CommandNode, ...] | None
    line: int


Node = TestNode | CommandNode
