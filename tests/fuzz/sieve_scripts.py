"""`python -m tests.fuzz.sieve_scripts [inputs] [seed]`: the Sieve parser and compiler, fed with scripts that were altered; what
is still a script is run over a message made to hurt.

Of each input: a script, or ScriptError with a line of it; a run that ends in actions within the limits, or in an error
and an implicit keep. Prints the slowest input; none may take a second.
"""

import random
import sys
import time
from collections.abc import Iterator

from sieve import DELIVERY, Limits, Outcome, Program, Received, ScriptError, compile_script, run
from sieve.actions import Keep

from tests.support.sieve_cases import MESSAGES, World, situation
from tests.unit.sieve.test_fuzz import HOSTILE, REQUIRE, script_of

LIMITS = Limits(steps=200_000)
JUNK = [
    *(b'"', b"\\", b"{", b"}", b"(", b")", b"[", b"]", b",", b";", b":", b"#", b"/*", b"*/", b"\r\n", b"\n", b"\0"),
    *(b"text:\r\n.\r\n", b"text:", b"99999999999K", b"1G", b":is", b":matches", b"${", b"}", b"\xff\xfe", b"\xc3\xbc"),
    *(b'require "fileinto";', b"if", b"elsif", b"else", b"true", b"not", b"allof", b"keep;", b"foreverypart", b"stop;"),
]  # fmt: skip
CONTENTS = [*HOSTILE, MESSAGES["A"].encode(), MESSAGES["B"].encode()]
SITUATION = situation({})


def check(source: bytes, content: bytes) -> Outcome | None:
    """None where it is no script. Raises AssertionError, or whatever the language raises."""
    try:
        program = compile_script(source, limits=LIMITS)
    except ScriptError as found:
        error = found
    else:
        return play(program, content)
    assert 1 <= error.place.line <= source.count(b"\n") + 2
    assert error.reason
    return None


def play(program: Program, content: bytes) -> Outcome:
    """A run that ends as it should."""
    facts = {"list": ["a b"], "mailbox": ["a"]}
    world = World(facts, {"personal/a": "keep;"}, DELIVERY)
    outcome = run(program, Received.from_octets(content), SITUATION, world)
    if outcome.error is not None:
        assert outcome.actions == (Keep(outcome.actions[0].place),)
        assert outcome.actions[0].place.line == 0
        assert outcome.error.reason
    assert len(outcome.actions) <= LIMITS.actions + 1
    assert outcome.steps <= LIMITS.steps + 200_000
    return outcome


def scripts(inputs: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """As many, each with a message; some of them are correct."""
    chance = random.Random(seed)
    for _ in range(inputs):
        script = bytearray((REQUIRE + script_of(chance, 4)).encode())
        # What is required is seldom altered: else there would be nothing behind it.
        first = 0 if chance.random() < 0.1 else len(REQUIRE)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
            at = chance.randrange(first, len(script) + 1)
            match chance.randrange(4):
                case 0:
                    script[at:at] = chance.choice(JUNK)
                case 1:
                    del script[at : at + chance.randrange(1, 9)]
                case 2:
                    script[at : at + 1] = bytes([chance.randrange(256)])
                case _:
                    script[at:at] = script[at : at + chance.randrange(1, 40)]
        yield bytes(script), chance.choice(CONTENTS)


def main(inputs: int, seed: int) -> None:
    """As many inputs."""
    slowest, slow, begun, ran = 0.0, b"", time.perf_counter(), 0
    for number, (script, content) in enumerate(scripts(inputs, seed)):
        started = time.perf_counter()
        try:
            ran += check(script, content) is not None
        except Exception:
            print(f"input {number} of seed {seed}: {script!r} over {content!r}")
            raise
        if (took := time.perf_counter() - started) > slowest:
            slowest, slow = took, script
    print(
        f"{inputs} inputs in {time.perf_counter() - begun:.0f} s, {ran} were scripts and ran; "
        f"slowest {slowest * 1000:.1f} ms: {slow[len(REQUIRE) : len(REQUIRE) + 60]!r}"
    )
    assert slowest < 1.0, "an input took a second"


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["1000000", "1"][len(sys.argv) - 1 :])))
