"""From the octets of a script to a program."""

from __future__ import annotations

from sieve.capabilities import DELIVERY
from sieve.catalogue import COMMANDS, TESTS
from sieve.compiler import Compiler
from sieve.errors import ScriptError
from sieve.limits import DEFAULT_LIMITS, Limits
from sieve.parser import parse
from sieve.program import Program
from sieve.scope import Scope
from sieve.syntax import CommandNode, StringsArgument


def compile_script(
    source: bytes, *, available: frozenset[str] = DELIVERY, limits: Limits = DEFAULT_LIMITS
) -> Program:
    """Parse and check a script. `available`: the extensions that it may use. Raises ScriptError."""
    commands = parse(source, limits)
    scope = Scope(available, limits)
    position = 0
    for command in commands:
        if command.name != "require":
            break
        _require(command, scope)
        position += 1
    compiler = Compiler(scope, COMMANDS, TESTS)
    block = compiler.block(commands[position:])
    return Program(
        block=block,
        required=frozenset(scope.required),
        includes=frozenset(scope.includes),
        features=frozenset(scope.features),
        available=available,
        limits=limits,
    )


def _require(command: CommandNode, scope: Scope) -> None:
    arguments = command.arguments
    if len(arguments) != 1 or command.tests or command.block is not None:
        raise ScriptError('"require" takes a string list', command.line)
    (names,) = arguments
    if not isinstance(names, StringsArgument):
        raise ScriptError('"require" takes a string list', command.line)
    scope.require(names.values, command.line)
