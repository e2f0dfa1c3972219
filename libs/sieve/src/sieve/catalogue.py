"""All commands and tests of the language, by name."""

from __future__ import annotations

from sieve.commands import ending, fileinto, keep, redirect, reject, set_variable
from sieve.conditions import address, header, logic, size, string
from sieve.program import CommandKind, TestKind

COMMANDS: dict[str, CommandKind] = {
    kind.name: kind
    for module in (keep, fileinto, redirect, ending, reject, set_variable)
    for kind in module.KINDS
}
TESTS: dict[str, TestKind] = {
    kind.name: kind for module in (logic, header, address, size, string) for kind in module.KINDS
}
