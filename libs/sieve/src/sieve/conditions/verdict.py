""" "spamtest" and "virustest" (RFC 5235)."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.arguments import Bound, Kind, Shape, Tag
from sieve.compiler import Compiler
from sieve.machine import Machine
from sieve.matching.matcher import MATCH_TAGS, Matcher, Source, read_matcher
from sieve.program import Condition, TestKind
from sieve.syntax import TestNode


def spam_value(percent: int) -> int:
    """From 1 (clear of spam) to 10 (spam for certain), for a probability in percent (§3.2.1)."""
    if percent <= 0:
        return 1
    if percent >= 100:
        return 10
    return 2 + (percent - 1) * 8 // 99


@dataclass(frozen=True, slots=True)
class SpamTest:
    """Compares what the spam filter found."""

    in_percent: bool
    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        percent = machine.situation.spam_percent
        if self.matcher.counts:
            return self.matcher.number(machine, 0 if percent is None else 1)
        value = 0
        if percent is not None:
            value = min(max(percent, 0), 100) if self.in_percent else spam_value(percent)
        return self.matcher.any(machine, [_with_text(value, machine.situation.spam_text)], Source.MESSAGE)


@dataclass(frozen=True, slots=True)
class VirusTest:
    """Compares what the virus filter found."""

    matcher: Matcher

    def holds(self, machine: Machine) -> bool:
        severity = min(max(machine.situation.virus_severity, 0), 5)
        if self.matcher.counts:
            return self.matcher.number(machine, 1 if severity else 0)
        return self.matcher.any(machine, [_with_text(severity, machine.situation.virus_text)], Source.MESSAGE)


def _with_text(value: int, text: str) -> bytes:
    """The normalised result (§3.1)."""
    return (f"{value} {text}" if text else str(value)).encode()


def _spam(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return SpamTest("percent" in bound, read_matcher(bound, compiler.scope, bound.texts(0)))


def _virus(node: TestNode, bound: Bound, compiler: Compiler) -> Condition:
    return VirusTest(read_matcher(bound, compiler.scope, bound.texts(0)))


_VALUE = ((Kind.STRING,),)
KINDS = (
    TestKind(
        "spamtest", Shape(_VALUE, (*MATCH_TAGS, Tag("percent", None, "spamtestplus"))), _spam, "spamtest"
    ),
    TestKind("virustest", Shape(_VALUE, MATCH_TAGS), _virus, "virustest"),
)
