"""The parser: its limits, its lines, and what it makes of line ends."""

from collections.abc import Callable

import pytest
from sieve import Limits, ScriptError, compile_script
from sieve.parser import parse
from sieve.syntax import NumberArgument, StringsArgument, TagArgument


def blocks(depth: int) -> str:
    return "if true {" * depth + "keep;" + "}" * depth


def negations(depth: int) -> str:
    return "if " + "not anyof (" * depth + "true" + ")" * depth + "{ keep; }"


@pytest.mark.parametrize("nested", [blocks, negations])
def test_fifteen_levels_are_understood(nested: Callable[[int], str]) -> None:
    compile_script(nested(15).encode())


@pytest.mark.parametrize("nested", [blocks, negations])
@pytest.mark.parametrize("depth", [40, 2000, 50_000])
def test_too_many_levels_are_an_error(nested: Callable[[int], str], depth: int) -> None:
    with pytest.raises(ScriptError, match="nested too deeply"):
        compile_script(nested(depth).encode())


def test_deep_string_lists_are_no_grammar() -> None:
    with pytest.raises(ScriptError, match="a string should stand here"):
        compile_script(b"if exists " + b"[" * 100_000)


def test_a_script_can_be_too_long() -> None:
    compile_script(b"#" + b"x" * (1024 * 1024 - 1))
    with pytest.raises(ScriptError, match="longer than 1048576 octets"):
        compile_script(b"#" + b"x" * 1024 * 1024)


def test_a_script_can_have_too_many_commands() -> None:
    limits = Limits(nodes=10)
    compile_script(b"keep;" * 10, limits=limits)
    with pytest.raises(ScriptError, match="too many commands"):
        compile_script(b"keep;" * 11, limits=limits)


def test_a_script_can_have_too_many_strings() -> None:
    limits = Limits(strings=3)
    with pytest.raises(ScriptError, match="too many strings"):
        compile_script(b'if exists ["a", "b", "c", "d"] { keep; }', limits=limits)


def test_the_tree() -> None:
    (command,) = parse(b'iF Header :IS :count ["a","b"]\r\n 10k "c" { stop; }')
    assert (command.name, command.line, command.arguments) == ("if", 1, ())
    (test,) = command.tests
    assert test.arguments == (
        TagArgument("is", 1),
        TagArgument("count", 1),
        StringsArgument((b"a", b"b"), True, 1),
        NumberArgument(10240, 2),
        StringsArgument((b"c",), False, 2),
    )
    assert command.block is not None
    assert [(inner.name, inner.line) for inner in command.block] == [("stop", 2)]


@pytest.mark.parametrize(
    "script",
    [
        b'# one\r\n/* two\r\nthree */ if\r\ntrue { # four\r\nfileinto\r\n"x"; }',
        b'# one\n/* two\nthree */ if\ntrue { # four\nfileinto\n"x"; }',
        b'\xef\xbb\xbf# one\n/* two\r\nthree */ if\ntrue { # four\nfileinto\n"x"; }',
    ],
)
def test_errors_know_their_line(script: bytes) -> None:
    with pytest.raises(ScriptError, match=r"^line 5: .*fileinto"):
        compile_script(script)


def test_line_ends_in_strings_are_crlf() -> None:
    one, two = parse(b'a "x\ny";b text:\nx\ny\n.\n;')
    assert one.arguments == (StringsArgument((b"x\r\ny",), False, 1),)
    assert two.arguments == (StringsArgument((b"x\r\ny\r\n",), False, 2),)


@pytest.mark.parametrize("script", [b"keep;\r\n\r\rkeep;", b"keep;\n\r", b'a\n"\r";'])
def test_a_bare_cr_is_an_error(script: bytes) -> None:
    with pytest.raises(ScriptError, match=r"line [23]: CR stands without LF"):
        parse(script)


def test_nul_is_an_error() -> None:
    with pytest.raises(ScriptError, match="line 2: a script can't hold NUL"):
        parse(b'keep;\n"\0";')


def test_strings_need_not_be_utf8() -> None:
    compile_script(b'if header :contains "subject" "\xff\xfe" { discard; }')


def test_an_unclosed_string() -> None:
    with pytest.raises(ScriptError, match="line 2: a string is not closed"):
        parse(b'a;\nb "x\n\n\\"')


def test_many_texts_cost_no_more_than_their_size() -> None:
    assert len(parse(b"a text:\n.\n;" * 20_000)) == 20_000


def test_an_unknown_extension_is_named_but_not_echoed_at_length() -> None:
    with pytest.raises(ScriptError) as caught:
        compile_script(b'require "' + b"x" * 10_000 + b'";')
    assert len(str(caught.value)) < 300
