"""Every command, every test and every tagged argument of the language stands in a golden case that runs."""

from collections.abc import Iterator
from pathlib import Path

from sieve import syntax
from sieve.catalogue import COMMANDS, TESTS
from sieve.errors import ScriptError
from sieve.limits import DEFAULT_LIMITS
from sieve.parser import parse

from tests.support.sieve_cases import load

CASES = load(Path(__file__).parent / "golden")


def _test(node: syntax.TestNode) -> Iterator[str]:
    yield from _named(f"test {node.name}", node.arguments)
    for inner in node.tests:
        yield from _test(inner)


def _command(node: syntax.CommandNode) -> Iterator[str]:
    yield from _named(f"command {node.name}", node.arguments)
    for test in node.tests:
        yield from _test(test)
    for inner in node.block or ():
        yield from _command(inner)


def _named(what: str, arguments: tuple[syntax.Argument, ...]) -> Iterator[str]:
    yield what
    for argument in arguments:
        if isinstance(argument, syntax.TagArgument):
            yield f"{what} :{argument.name}"


def _played() -> Iterator[str]:
    """What stands in scripts that are run, not in those that are refused."""
    for case in CASES:
        if case.sections["expect"].startswith("compile"):
            continue
        for kind, text in case.sections.items():
            if kind == "script" or kind.startswith("include "):
                try:
                    nodes = parse(text.encode(), DEFAULT_LIMITS)
                except ScriptError:
                    continue
                for node in nodes:
                    yield from _command(node)


def _known() -> Iterator[str]:
    for what, kinds in (("command", COMMANDS), ("test", TESTS)):
        for name, kind in kinds.items():
            yield f"{what} {name}"
            for tag in kind.shape.tags:
                yield f"{what} {name} :{tag.name}"


def test_nothing_of_the_language_is_without_a_golden_case() -> None:
    assert sorted(set(_known()) - set(_played())) == []
