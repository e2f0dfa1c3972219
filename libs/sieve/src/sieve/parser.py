"""From tokens to a tree (RFC 5228 §8.2). Depth, commands, tests and strings are counted: what goes over is an error."""

from __future__ import annotations

from sieve.errors import ScriptError
from sieve.lexer import Kind, Lexer, Token
from sieve.limits import DEFAULT_LIMITS, Limits
from sieve.syntax import Argument, CommandNode, NumberArgument, StringsArgument, TagArgument, TestNode


def parse(source: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[CommandNode, ...]:
    """The commands of a script. Raises ScriptError."""
    if len(source) > limits.script_octets:
        raise ScriptError(f"the script is longer than {limits.script_octets} octets", 1)
    return _Parser(source, limits).script()


class _Parser:
    def __init__(self, source: bytes, limits: Limits) -> None:
        self._lexer = Lexer(source)
        self._limits = limits
        self._token = self._lexer.next()
        self._nodes = 0
        self._strings = 0

    def script(self) -> tuple[CommandNode, ...]:
        commands = self._commands(0)
        if self._token.kind is not Kind.END:
            raise self._unexpected("a command")
        return commands

    def _commands(self, depth: int) -> tuple[CommandNode, ...]:
        if depth > self._limits.nesting:
            raise ScriptError("blocks are nested too deeply", self._token.line)
        commands: list[CommandNode] = []
        while self._token.kind is Kind.IDENTIFIER:
            commands.append(self._command(depth))
        return tuple(commands)

    def _command(self, depth: int) -> CommandNode:
        name = self._take_name()
        arguments, tests, listed = self._arguments(0)
        block: tuple[CommandNode, ...] | None = None
        if self._at(b"{"):
            self._step()
            block = self._commands(depth + 1)
            self._expect(b"}", "a command or")
        else:
            self._expect(b";", "an argument or")
        return CommandNode(name.text.decode("ascii"), arguments, tests, listed, block, name.line)

    def _test(self, depth: int) -> TestNode:
        if depth > self._limits.nesting:
            raise ScriptError("tests are nested too deeply", self._token.line)
        name = self._take_name()
        arguments, tests, listed = self._arguments(depth)
        return TestNode(name.text.decode("ascii"), arguments, tests, listed, name.line)

    def _arguments(self, depth: int) -> tuple[tuple[Argument, ...], tuple[TestNode, ...], bool]:
        arguments: list[Argument] = []
        while (argument := self._argument()) is not None:
            arguments.append(argument)
        if self._token.kind is Kind.IDENTIFIER:
            return tuple(arguments), (self._test(depth + 1),), False
        if not self._at(b"("):
            return tuple(arguments), (), False
        tests: list[TestNode] = []
        while not tests or self._at(b","):
            self._step()
            tests.append(self._test(depth + 1))
        self._expect(b")", '"," or')
        return tuple(arguments), tuple(tests), True

    def _argument(self) -> Argument | None:
        token = self._token
        if token.kind is Kind.NUMBER:
            self._step()
            return NumberArgument(token.number, token.line)
        if token.kind is Kind.TAG:
            self._step()
            return TagArgument(token.text.decode("ascii"), token.line)
        if token.kind is Kind.STRING:
            return StringsArgument((self._string(),), False, token.line)
        if not self._at(b"["):
            return None
        values: list[bytes] = []
        while not values or self._at(b","):
            self._step()
            values.append(self._string())
        self._expect(b"]", '"," or')
        return StringsArgument(tuple(values), True, token.line)

    def _string(self) -> bytes:
        token = self._token
        if token.kind is not Kind.STRING:
            raise self._unexpected("a string")
        self._strings += 1
        if self._strings > self._limits.strings:
            raise ScriptError("the script has too many strings", token.line)
        self._step()
        return token.text

    def _take_name(self) -> Token:
        token = self._token
        if token.kind is not Kind.IDENTIFIER:
            raise self._unexpected("a test")
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            raise ScriptError("the script has too many commands and tests", token.line)
        self._step()
        return token

    def _step(self) -> None:
        self._token = self._lexer.next()

    def _at(self, mark: bytes) -> bool:
        return self._token.kind is Kind.MARK and self._token.text == mark

    def _expect(self, mark: bytes, besides: str) -> None:
        if not self._at(mark):
            raise self._unexpected(f'{besides} "{mark.decode()}"')
        self._step()

    def _unexpected(self, wanted: str) -> ScriptError:
        return ScriptError(f"{wanted} should stand here, not {self._token}", self._token.line)
