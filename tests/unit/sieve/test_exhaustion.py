"""Scripts made to exhaust who runs them: no stack, no memory and no time beyond the limits, and the message is kept."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from mailmsg.tree import MAX_HEADER_READ_OCTETS
from sieve import Limits, Outcome, Received, ScriptError, compile_script, run
from sieve.actions import Keep, Notify
from sieve.errors import Place
from sieve.header_block import HeaderBlock
from sieve.matching import regex as regexes
from sieve.matching.regex import Regex
from sieve.matching.remembering import Remembering
from sieve.mime import read_parts

from tests.support.sieve_cases import situation


def go(script: str, content: bytes, limits: Limits | None = None) -> Outcome:
    program = compile_script(script.encode(), limits=limits or Limits())
    return run(program, Received.from_octets(content), situation({}))


def in_a_thread(work: Callable[[], Outcome]) -> Outcome:
    """As services do it: what the stack of a test holds already counts for nothing."""
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def nested(repeats: int) -> str:
    pattern = "a"
    for _ in range(50):
        pattern = f"({pattern}){'?' * repeats}"
    return pattern


def test_repetitions_within_repetitions_cost_no_stack() -> None:
    with pytest.raises(ScriptError, match="too many repetitions"):
        compile_script(f'require "regex"; if header :regex "subject" "{nested(49)}" {{ }}'.encode())


def test_all_that_may_nest_nests_together() -> None:
    tests = "not " * 31 + f'header :regex "subject" "{nested(4)}"'
    script = f"if {tests} {{ " * 32 + "stop;" + " }" * 32
    outcome = in_a_thread(lambda: go('require "regex"; ' + script, b"Subject: a\r\n\r\n"))
    assert outcome.error is None


def test_a_pattern_from_the_message_costs_no_stack() -> None:
    script = 'require ["regex", "variables"]; if header :matches "subject" "*" { if string :regex "a" "${1}" { discard; } }'
    outcome = go(script, b"Subject: " + nested(49).encode() + b"\r\n\r\n")
    assert outcome.actions == (Keep(Place(0)),)
    assert "too many repetitions" in str(outcome.error)


def test_the_expressions_of_a_script_count_together() -> None:
    keys = ",".join(f'"a{{255}}{{5}}{number}"' for number in range(200))
    with pytest.raises(ScriptError, match="too large together"):
        compile_script(f'require "regex"; if header :regex "subject" [{keys}] {{ }}'.encode())


def test_groups_that_nobody_can_ask_for_cost_nothing() -> None:
    pattern = Regex("()" * 300 + "(a)x", ignores_case=False, max_states=4000)
    groups = pattern.groups_in("ax", lambda steps: None)
    assert groups is not None
    assert groups == ["ax", *[""] * 99]


def test_what_lies_before_a_character_is_paid_for_at_every_place() -> None:
    spent: list[int] = []
    Regex("()" * 600 + "x", ignores_case=False, max_states=4000).groups_in("a" * 100 + "x", spent.append)
    assert sum(spent) > 100 * 200


def test_large_sets_of_characters_are_paid_for() -> None:
    signs = "".join(chr(0x4E00 + number) for number in range(0, 4000, 2))
    spent: list[int] = []
    text = "".join(chr(0x3400 + number) for number in range(50))
    assert not Regex(f"[{signs}]", ignores_case=False, max_states=4000).search(text, spent.append)
    assert sum(spent) > 50 * 200
    spent.clear()
    found = Regex(f"[{signs}]{{20}}", ignores_case=False, max_states=4000)
    assert found.groups_in(signs[:30], spent.append) is not None
    assert sum(spent) > 20 * 200


def test_expressions_remember_so_much_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regexes, "_REMEMBERING", Remembering(most=1000))
    many = [Regex(f".{number}x", ignores_case=False, max_states=4000) for number in range(50)]
    text = "".join(chr(0x4E00 + number) for number in range(60))
    for each in many:
        assert not each.search(text, lambda steps: None)
        assert each.search(text + "00x", lambda steps: None) is (each is many[0])
    kept = sum(len(state.next) for each in many for state in each._states.values())
    assert 0 < kept <= 1000


def test_strings_with_variables_are_counted_together() -> None:
    keys = ",".join(['"' + "${a}" * 31 + '"'] * 200)
    script = f'require "variables"; set "b" "{"x" * 1000}"; set "a" "{"${b}" * 32}"; discard; '
    outcome = go(script + f'if header "subject" [{keys}] {{ }}', b"Subject: x\r\n\r\n")
    assert outcome.actions == (Keep(Place(0)),)
    assert "together" in str(outcome.error)


def test_parts_put_into_parts_end_somewhere() -> None:
    content = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(40))
    content += "Content-Type: text/x-inner\r\n\r\nhello\r\n"
    loop = 'foreverypart { if header :mime :contenttype "content-type" "text/x-inner" { replace :mime "%s"; } }\r\n'
    script = 'require ["foreverypart", "mime", "replace"];' + loop % content * 20
    outcome = go(script, b"Content-Type: text/x-inner\r\n\r\nbody\r\n")
    assert outcome.actions == (Keep(Place(0)),)
    assert "nested too deeply" in str(outcome.error)


@pytest.mark.parametrize("change", ['addflag "x" "foo";', 'removeflag "x" "foo";', 'addflag "x" []; '])
def test_flags_do_not_make_what_the_message_says_trustworthy(change: str) -> None:
    script = f"""require ["variables", "imap4flags", "enotify"];
        if header :matches "subject" "*" {{ set "x" "${{1}}"; }} {change.replace("[]", '""')} notify "${{x}}";"""
    outcome = go(script, b"Subject: mailto:evil@c.example\r\n\r\n")
    assert not any(isinstance(action, Notify) for action in outcome.actions)
    assert outcome.error is not None


def test_flags_that_the_user_names_stay_trustworthy() -> None:
    script = """require ["variables", "imap4flags", "enotify"];
        setflag "x" "mailto:me@b.example"; addflag "x" "other"; removeflag "x" "other"; notify "${x}";"""
    outcome = go(script, b"Subject: x\r\n\r\n")
    assert outcome.error is None
    assert [type(action) for action in outcome.actions] == [Notify, Keep]


@pytest.mark.parametrize("pattern", [b"[\xff-\xfe]", b"[[:\xff:]]", b"[[.\xff\xfe.]]"])
def test_what_is_wrong_can_be_said_whatever_the_script_holds(pattern: bytes) -> None:
    with pytest.raises(ScriptError) as wrong:
        compile_script(b'require "regex"; if header :regex "subject" "' + pattern + b'" { }')
    assert str(wrong.value).encode()
    assert wrong.value.reason.encode()
    program = compile_script(
        b'require ["regex", "variables"]; set "x" "' + pattern + b'"; if string :regex "a" "${x}" { }'
    )
    outcome = run(program, Received.from_octets(b"\r\n"), situation({}))
    assert str(outcome.error).encode()
    assert outcome.error is not None


def test_of_a_header_as_large_as_a_message_the_beginning_is_read_and_all_is_kept() -> None:
    header = b"a:\r\n" * 300_000 + b"Subject: x\r\n\r\n"
    block = HeaderBlock(header)
    assert len(block) == MAX_HEADER_READ_OCTETS // 4
    assert block.named(b"subject") == []
    block.add_first(b"X", b"1")
    block.add_last(b"Y", b"2")
    block.delete(block.named(b"a")[:1])
    below = header[MAX_HEADER_READ_OCTETS:]
    assert block.render() == b"X: 1\r\n" + header[4:MAX_HEADER_READ_OCTETS] + b"Y: 2\r\n" + below


def test_a_field_that_is_not_read_to_its_end_is_not_read_at_all() -> None:
    long = b"L: x\r\n" + b" x\r\n" * MAX_HEADER_READ_OCTETS
    block = HeaderBlock(b"S: y\r\n" + long + b"\r\n")
    assert len(block) == 1
    block.delete(block.named(b"s"))
    assert block.render() == long + b"\r\n"
    assert len(HeaderBlock(long + b"\r\n")) == 0
    assert len(HeaderBlock(b"x" * 2 * MAX_HEADER_READ_OCTETS)) == 0


def test_headers_of_parts_cost_no_more_than_those_of_messages() -> None:
    inner = b"Content-Type: text/plain\r\n" + b"a:\r\n" * 100_000 + b"\r\n"
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + inner
    content += b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner
    lengths = [len(part.header) for part in read_parts(content).walk()]
    assert len(lengths) == 4
    assert max(lengths) < MAX_HEADER_READ_OCTETS // 4


def test_a_run_that_goes_on_from_a_question_looks_at_the_clock_at_once() -> None:
    """Else a hundred questions win a script as many beginnings, each of which reads a header."""
    program = compile_script(b'require "mailbox"; if mailboxexists "a" { discard; }')
    now = replace(situation({}), clock=lambda: 0.0, spent_seconds=program.limits.seconds + 1)
    outcome = run(program, Received.from_octets(b"Subject: x\r\n\r\n"), now)
    assert str(outcome.error) == "line 1: the script takes too long"


def test_changed_messages_count_together() -> None:
    """Each action may be about another edition, and each of these holds the whole message."""
    part = b"--b\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 1000 + b"\r\n"
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 10 + b"--b--\r\n"
    loop = """foreverypart { if header :mime :type "content-type" "text" {
        replace "y"; set :length "n" "${m}"; set "m" "${m}x"; fileinto :copy "a${n}"; } }"""
    script = f'require ["foreverypart", "mime", "replace", "variables", "fileinto", "copy"]; {loop}'
    assert len(go(script, content).actions) == 11
    outcome = go(script, content, Limits(editions_octets=30_000))
    assert outcome.actions == (Keep(Place(0)),)
    assert "too large together" in str(outcome.error)
    once = 'require ["editheader", "fileinto", "copy"]; addheader "X" "y"; '
    many = "".join(f'fileinto :copy "a{n}";' for n in range(20))
    assert go(once + many, content, Limits(editions_octets=200)).error is None


def test_of_so_many_changes_it_is_told_and_of_no_more() -> None:
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20 + b"--b--\r\n"
    script = 'require ["foreverypart", "imap4flags"]; setflag "a"; foreverypart { addflag "b"; } keep;'
    outcome = go(script, content, Limits(effects=5))
    assert len(outcome.effects) == 5
    [keep] = outcome.actions
    assert isinstance(keep, Keep)
    assert keep.flags == ("a", "b")
