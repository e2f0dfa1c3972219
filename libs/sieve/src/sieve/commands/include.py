""" "include", "return", "global" (RFC 6609)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.errors import Fault, ScriptError
from sieve.machine import Frame, Machine, Return
from sieve.program import CommandKind, Program, Statement
from sieve.scope import script_name
from sieve.scripts import Location, ScriptNamed
from sieve.syntax import CommandNode


@dataclass(frozen=True, slots=True)
class IncludeCommand:
    """Run another script here."""

    script: ScriptNamed
    once: bool
    is_optional: bool

    def run(self, machine: Machine) -> None:
        script = self.script
        if self.once and script in machine.included:
            return
        if any(
            (frame.location, frame.name) == (script.location, script.name) for frame in machine.frames[1:]
        ):
            raise Fault(f'the script "{script.name}" includes itself')
        if len(machine.frames) > machine.limits.include_depth:
            raise Fault("scripts include each other too deeply")
        machine.includes += 1
        if machine.includes > machine.limits.includes:
            raise Fault(f"scripts may include {machine.limits.includes} others at most")
        program = self._program(machine)
        if program is None:
            if self.is_optional:
                return
            raise Fault(f'there is no script "{script.name}"')
        unfit = sorted(program.required - machine.frame.program.available)
        if unfit:
            raise Fault(f'the script "{script.name}" requires "{unfit[0]}", which is not available here')
        machine.included.add(script)
        part = machine.part if machine.frame.parts else machine.frame.part
        machine.frames.append(Frame(program, script.location, script.name, part))
        try:
            machine.run_block(program.block)
        except Return:
            pass
        machine.frames.pop()  # Not after a fault: its place is in here.

    def _program(self, machine: Machine) -> Program | None:
        try:
            return machine.world.script(self.script)
        except ScriptError as error:
            raise Fault(f'the script "{self.script.name}" has an error: {error}') from None


@dataclass(frozen=True, slots=True)
class ReturnCommand:
    """End this script; the one that included it goes on."""

    def run(self, machine: Machine) -> None:
        raise Return


@dataclass(frozen=True, slots=True)
class GlobalCommand:
    """Let these names mean the variables that scripts share."""

    names: tuple[str, ...]

    def run(self, machine: Machine) -> None:
        frame = machine.frame
        for name in self.names:
            if name in frame.variables:
                raise Fault(f'the variable "{name}" was set before it became global')
            frame.shared.add(name)


def _include(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    location = Location.GLOBAL if "global" in bound else Location.PERSONAL
    script = ScriptNamed(location, script_name(bound.text(0), node.line))
    compiler.scope.includes.add(script)
    return IncludeCommand(script, "once" in bound, "optional" in bound)


def _return(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    return ReturnCommand()


def _global(node: CommandNode, bound: Bound, compiler: Compiler) -> Statement:
    scope = compiler.scope
    scope.use("variables", '"global"', node.line)
    names: list[str] = []
    for text in bound.texts(0):
        variable = scope.variable(text, node.line)
        if variable.namespace:
            raise bound.error("a variable is named without a namespace here")
        if variable.name in scope.set_variables:
            raise bound.error(f'the variable "{variable.name}" was set before')
        names.append(variable.name)
    return GlobalCommand(tuple(names))


_TAGS = (
    Tag("personal", group="location"),
    Tag("global", group="location"),
    Tag("once"),
    Tag("optional"),
)
KINDS = (
    CommandKind("include", Shape(((Kind.STRING,),), _TAGS), _include, "include"),
    CommandKind("return", Shape(), _return, "include"),
    CommandKind("global", Shape(((Kind.STRINGS,),)), _global, "include"),
)
