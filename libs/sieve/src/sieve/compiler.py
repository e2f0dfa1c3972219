"""From the tree to a program: every command and test is known, required, and has the arguments that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sieve.arguments import bind
from sieve.errors import Fault, ScriptError, UnavailableError
from sieve.machine import Machine
from sieve.program import Block, CommandKind, Condition, Line, Statement, TestKind
from sieve.scope import Scope
from sieve.syntax import CommandNode, TestNode


class Compiler:
    """Compiles blocks, commands and tests within one scope."""

    def __init__(
        self, scope: Scope, commands: Mapping[str, CommandKind], tests: Mapping[str, TestKind]
    ) -> None:
        self.scope = scope
        self._commands = commands
        self._tests = tests

    def block(self, commands: tuple[CommandNode, ...]) -> Block:
        """A sequence of commands. "if" takes the "elsif" and "else" that follow it (RFC 5228 §3.1)."""
        lines: list[Line] = []
        position = 0
        while position < len(commands):
            command = commands[position]
            position += 1
            if command.name == "if":
                start = position - 1
                while position < len(commands) and commands[position].name in ("elsif", "else"):
                    position += 1
                    if commands[position - 1].name == "else":
                        break
                lines.append(Line(command.line, self._choice(commands[start:position])))
            else:
                lines.append(Line(command.line, self._command(command)))
        return tuple(lines)

    def condition(self, node: TestNode) -> Condition:
        """A test."""
        outer_needs = self.scope.needs
        self.scope.needs = set()
        try:
            condition = self._bare_condition(node)
            if self.scope.needs:
                condition = GuardedCondition(condition, frozenset(self.scope.needs), node.name)
            return condition
        except UnavailableError as error:
            if not self.scope.is_lenient:
                raise
            return Unavailable(error.reason)
        finally:
            self.scope.needs = outer_needs

    def _bare_condition(self, node: TestNode) -> Condition:
        kind = self._tests.get(node.name)
        if kind is None:
            raise UnavailableError(f'there is no test "{node.name}"', node.line)
        if kind.capability:
            self.scope.use(kind.capability, f'the test "{node.name}"', node.line)
        return kind.compile(node, bind(node, kind.shape, self.scope), self)

    def _command(self, node: CommandNode) -> Statement:
        outer_needs = self.scope.needs
        self.scope.needs = set()
        try:
            statement = self._bare_command(node)
            if self.scope.needs:
                statement = GuardedStatement(statement, frozenset(self.scope.needs), node.name)
            return statement
        except UnavailableError as error:
            if not self.scope.is_lenient:
                raise
            return Unavailable(error.reason)
        finally:
            self.scope.needs = outer_needs

    def _bare_command(self, node: CommandNode) -> Statement:
        if node.name == "require":
            raise ScriptError('"require" must stand before all other commands', node.line)
        if node.name in ("elsif", "else"):
            raise ScriptError(f'"{node.name}" must follow "if" or "elsif"', node.line)
        kind = self._commands.get(node.name)
        if kind is None:
            raise UnavailableError(f'there is no command "{node.name}"', node.line)
        if kind.capability:
            self.scope.use(kind.capability, f'"{node.name}"', node.line)
        return kind.compile(node, bind(node, kind.shape, self.scope), self)

    def _choice(self, commands: tuple[CommandNode, ...]) -> Statement:
        branches: list[Branch] = []
        for node in commands:
            if node.block is None:
                raise ScriptError(f'"{node.name}" takes a block', node.line)
            wanted = 0 if node.name == "else" else 1
            if node.arguments or node.listed or len(node.tests) != wanted:
                takes = "one test" if wanted else "no test"
                raise ScriptError(f'"{node.name}" takes {takes} and a block', node.line)
            condition = self.condition(node.tests[0]) if node.tests else None
            branches.append(Branch(node.line, condition, self.block(node.block)))
        return Choice(tuple(branches))


@dataclass(frozen=True, slots=True)
class Branch:
    """ "if", "elsif" or "else"; the last has no condition."""

    line: int
    condition: Condition | None
    block: Block


@dataclass(frozen=True, slots=True)
class Choice:
    """ "if" with all that belongs to it (RFC 5228 §3.1): the first branch whose test holds is run."""

    branches: tuple[Branch, ...]

    def run(self, machine: Machine) -> None:
        for branch in self.branches:
            machine.at_line(branch.line)
            if branch.condition is None or machine.holds(branch.condition):
                machine.run_block(branch.block)
                return


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A command or test of an extension that is not there: reaching it is an error (RFC 5463 §4)."""

    reason: str

    def run(self, machine: Machine) -> None:
        raise Fault(self.reason)

    def holds(self, machine: Machine) -> bool:
        raise Fault(self.reason)


@dataclass(frozen=True, slots=True)
class GuardedStatement:
    """A command that may only run once "ihave" has found its extensions (RFC 5463 §4)."""

    statement: Statement
    needs: frozenset[str]
    name: str

    def run(self, machine: Machine) -> None:
        machine.check_enabled(self.needs, self.name)
        self.statement.run(machine)


@dataclass(frozen=True, slots=True)
class GuardedCondition:
    """A test that may only be asked once "ihave" has found its extensions (RFC 5463 §4)."""

    condition: Condition
    needs: frozenset[str]
    name: str

    def holds(self, machine: Machine) -> bool:
        machine.check_enabled(self.needs, self.name)
        return self.condition.holds(machine)
