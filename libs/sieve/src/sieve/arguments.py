"""The arguments of a command or test: which it may have, and which a script gives (RFC 5228 §2.6).

Every command and test says by a `Shape` what it takes. `bind` holds a node of the tree against it; the compile
function of the command then asks the `Bound` for values by name or number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sieve.errors import ScriptError, UnavailableError
from sieve.scope import Scope
from sieve.syntax import Argument, CommandNode, NumberArgument, StringsArgument, TagArgument, TestNode
from sieve.text import Text


class Kind(Enum):
    """What an argument is."""

    NUMBER = "a number"
    STRING = "a string"
    STRINGS = "a string list"


class Inner(Enum):
    """Which tests a command or test takes."""

    NONE = "no test"
    ONE = "one test"
    LIST = "a list of tests in parentheses"


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged argument. Tags of one `group` exclude each other; `capability` is what must be required for it."""

    name: str
    value: Kind | None = None
    capability: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a command or test takes. `forms` are the lists of positional arguments that it may have."""

    forms: tuple[tuple[Kind, ...], ...] = ((),)
    tags: tuple[Tag, ...] = ()
    tests: Inner = Inner.NONE
    block: bool = False


Value = int | tuple[Text, ...] | None


class Bound:
    """The arguments that were given, of the right kinds."""

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        self.tags: dict[str, Value] = {}
        self.positional: list[Value] = []

    def error(self, reason: str) -> ScriptError:
        """A ScriptError about this command or test."""
        return ScriptError(f'"{self.name}": {reason}', self.line)

    def __contains__(self, tag: str) -> bool:
        return tag in self.tags

    def one_of(self, *tags: str) -> str | None:
        """Which of these tags was given."""
        return next((tag for tag in tags if tag in self.tags), None)

    def tag_number(self, tag: str) -> int | None:
        """A tag's number, or None where the tag was not given."""
        value = self.tags.get(tag)
        assert value is None or isinstance(value, int)
        return value

    def tag_texts(self, tag: str) -> tuple[Text, ...] | None:
        """A tag's strings, or None where the tag was not given."""
        value = self.tags.get(tag)
        assert value is None or isinstance(value, tuple)
        return value

    def tag_text(self, tag: str) -> Text | None:
        """A tag's string, or None where the tag was not given."""
        texts = self.tag_texts(tag)
        return None if texts is None else texts[0]

    def number(self, index: int) -> int:
        """The number at this position."""
        value = self.positional[index]
        assert isinstance(value, int)
        return value

    def texts(self, index: int) -> tuple[Text, ...]:
        """The strings at this position."""
        value = self.positional[index]
        assert isinstance(value, tuple)
        return value

    def text(self, index: int) -> Text:
        """The string at this position."""
        return self.texts(index)[0]

    def constant(self, text: Text, what: str) -> bytes:
        """A string that may hold no variable. Raises ScriptError."""
        if not text.is_constant:
            raise self.error(f"{what} must be a constant string")
        return text.source


def bind(node: CommandNode | TestNode, shape: Shape, scope: Scope) -> Bound:
    """Hold a node against its shape. Raises ScriptError."""
    bound = Bound(node.name, node.line)
    known = {tag.name: tag for tag in shape.tags}
    groups: dict[str, str] = {}
    positional: list[Argument] = []
    arguments = iter(node.arguments)
    for argument in arguments:
        if not isinstance(argument, TagArgument):
            positional.append(argument)
            continue
        tag = known.get(argument.name)
        if tag is None:
            raise UnavailableError(f'"{node.name}" has no argument ":{argument.name}"', argument.line)
        if positional:
            raise ScriptError(f'":{tag.name}" must stand before the positional arguments', argument.line)
        if tag.capability:
            scope.use(tag.capability, f'":{tag.name}"', argument.line)
        if tag.name in bound.tags:
            raise bound.error(f'":{tag.name}" stands twice')
        other = groups.setdefault(tag.group, tag.name) if tag.group else tag.name
        if other != tag.name:
            raise bound.error(f'":{other}" and ":{tag.name}" exclude each other')
        bound.tags[tag.name] = None
        if tag.value is not None:
            bound.tags[tag.name] = _value(next(arguments, None), tag.value, bound, scope, f'":{tag.name}"')
    _bind_positional(positional, shape, bound, scope)
    _check_inner(node, shape, bound)
    return bound


def _bind_positional(arguments: list[Argument], shape: Shape, bound: Bound, scope: Scope) -> None:
    form = next((form for form in shape.forms if len(form) == len(arguments)), None)
    if form is None:
        wanted = " or ".join(str(len(form)) for form in shape.forms)
        raise bound.error(f"takes {wanted} positional arguments, not {len(arguments)}")
    for number, (argument, kind) in enumerate(zip(arguments, form, strict=True), 1):
        bound.positional.append(_value(argument, kind, bound, scope, f"argument {number}"))


def _value(argument: Argument | None, kind: Kind, bound: Bound, scope: Scope, what: str) -> Value:
    if kind is Kind.NUMBER and isinstance(argument, NumberArgument):
        return argument.value
    if isinstance(argument, StringsArgument) and (
        kind is Kind.STRINGS or (kind is Kind.STRING and not argument.bracketed)
    ):
        return tuple(scope.text(value, argument.line) for value in argument.values)
    raise bound.error(f"{what} must be {kind.value}")


def _check_inner(node: CommandNode | TestNode, shape: Shape, bound: Bound) -> None:
    fits = {
        Inner.NONE: not node.tests,
        Inner.ONE: len(node.tests) == 1 and not node.listed,
        Inner.LIST: bool(node.tests) and node.listed,
    }[shape.tests]
    if not fits:
        raise bound.error(f"takes {shape.tests.value}")
    if isinstance(node, CommandNode) and (node.block is not None) is not shape.block:
        raise bound.error("takes a block" if shape.block else "takes no block, but a semicolon")
