"""How much a script may ask for. What goes over a limit is an error and ends in an implicit keep (RFC 5228 §2.10.7).

A step is roughly what a machine does in a microsecond: a command, a test, or a comparison of a few hundred octets.
"""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a script and of one run of it."""

    script_octets: int = 1024 * 1024
    nesting: int = 32
    """Of blocks and of tests, each. RFC 5228 §2.10.7 demands 15."""
    nodes: int = 20_000
    """Commands and tests in one script."""
    strings: int = 100_000
    """String literals in one script."""
    steps: int = 2_000_000
    seconds: float = 5.0
    """By the clock that a run is given (`Situation.clock`): where a step takes longer than it should."""
    actions: int = 32
    redirects: int = 4
    notifications: int = 4
    header_edits: int = 64
    enclosures: int = 4
    header_value_octets: int = 8 * 1024
    """Of a field that a script adds. RFC 5293 §4 demands 998."""
    include_depth: int = 10
    """RFC 6609 §3.1 demands three."""
    includes: int = 64
    variables: int = 256
    """In one scope. RFC 5229 §6 demands 128."""
    variable_octets: int = 32 * 1024
    """A longer value is cut off. RFC 5229 §6 demands 4000 characters."""
    string_octets: int = 1024 * 1024
    """Of a string after its variables are put in."""
    flags: int = 128
    composed_octets: int = 64 * 1024 * 1024
    """Of a message that "enclose" or "replace" makes."""
    editions_octets: int = 128 * 1024 * 1024
    """Of all changed messages that actions of one run are about."""
    effects: int = 1000
    """Changes that an outcome tells of; more are made and not told."""
    decoded_octets: int = 4 * 1024 * 1024
    """Of the text of one part that tests look into."""
    expanded_octets: int = 64 * 1024 * 1024
    """Of all strings of one run with variables in them: some tests hold all their keys at once."""
    regex_states: int = 4000
    script_regex_states: int = 200_000
    """Of all constant expressions of one script."""
    vacation_minimum_seconds: int = 60
    """For ":seconds"; ":days" begins at one day."""
    vacation_default_seconds: int = 7 * DAY_SECONDS
    vacation_maximum_seconds: int = 90 * DAY_SECONDS
    duplicate_default_seconds: int = 7 * DAY_SECONDS
    duplicate_maximum_seconds: int = 30 * DAY_SECONDS


DEFAULT_LIMITS = Limits()
