"""Runs: limits, answers that must be fetched, editions, and what is remembered afterwards."""

import email
import itertools
from dataclasses import replace
from datetime import timedelta
from email.message import Message as EmailMessage

import pytest
from sieve import Limits, Notebook, Outcome, Program, Received, ScriptError, Unanswered, compile_script, run
from sieve.actions import Edition, FileInto, Keep, Redirect, Reject, Vacation
from sieve.errors import Place
from sieve.scripts import Location, ScriptNamed
from sieve.world import BodyWanted, MailboxExists, Metadata, Question, SeenBefore

from tests.support.mime import octets_of, parts_of, text_of
from tests.support.sieve_cases import MESSAGES, NOW, situation

A = MESSAGES["A"].replace("\n", "\r\n").encode()
MULTIPART = (
    b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n--x\r\n\r\none\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: text/plain\r\n\r\ntwo\r\n"
    b"--x--\r\nepilogue\r\n"
)


def go(script: str, content: bytes = A, limits: Limits | None = None) -> Outcome:
    program = compile_script(script.encode(), limits=limits or Limits())
    return run(program, Received.from_octets(content), situation({}))


def edition(outcome: Outcome, index: int = -1) -> Edition:
    action = outcome.actions[index]
    assert isinstance(action, Keep | FileInto | Redirect)
    assert action.edition is not None
    return action.edition


def changed(outcome: Outcome, content: bytes) -> EmailMessage:
    """What an independent parser sees of the changed message."""
    found = edition(outcome)
    body = found.body if found.body is not None else Received.from_octets(content).body
    assert body is not None
    return email.message_from_bytes(found.header + body)


# Limits


def test_steps_end_in_an_implicit_keep() -> None:
    outcome = go(
        'discard; if header "x" ["a", "b", "c"] { }', b"X: y\r\n" * 1000 + b"\r\n", Limits(steps=500)
    )
    assert outcome.actions == (Keep(Place(0)),)
    assert str(outcome.error) == "line 1: the script takes too long"


def test_time_ends_in_an_implicit_keep_too() -> None:
    ticks = itertools.count()
    program = compile_script(b'discard; if header "x" ["a", "b", "c"] { }', limits=Limits(seconds=3.0))
    content = b"X: y\r\n" * 20_000 + b"\r\n"
    slow = replace(situation({}), clock=lambda: float(next(ticks)))
    outcome = run(program, Received.from_octets(content), slow)
    assert outcome.actions == (Keep(Place(0)),)
    assert str(outcome.error) == "line 1: the script takes too long"
    # It is not asked for the time at each step.
    assert next(ticks) < 10
    quick = replace(slow, clock=lambda: 0.0)
    assert run(program, Received.from_octets(content), quick).error is None


def test_actions_are_limited() -> None:
    files = "".join(f'fileinto "{number}";' for number in range(33))
    outcome = go(f'require "fileinto"; {files}')
    assert str(outcome.error) == "line 1: a script may take 32 actions at most"
    assert outcome.actions == (Keep(Place(0)),)


def test_the_implicit_keep_is_always_possible() -> None:
    files = "".join(f'fileinto :copy "{number}";' for number in range(32))
    outcome = go(f'require ["fileinto", "copy"]; {files}')
    assert outcome.error is None
    assert len(outcome.actions) == 33


def test_strings_do_not_grow_without_end() -> None:
    doubling = 'set "a" "${a}${a}";' * 40
    outcome = go(
        f'require ["variables", "fileinto"]; set "a" "0123456789"; {doubling} set :length "n" "${{a}}"; fileinto "${{n}}";'
    )
    assert isinstance(outcome.actions[0], FileInto)
    assert outcome.actions[0].target.mailbox == "32768"
    many = "${a}" * 40
    outcome = go(f'require ["variables", "reject"]; set "a" "0123456789"; {doubling} reject "{many}";')
    assert outcome.error is not None
    assert "a string grows over" in outcome.error.reason


def test_long_values_are_cut_between_characters() -> None:
    outcome = go(
        'require ["variables", "reject"]; set "a" "abÄÖ"; reject "${a}";', limits=Limits(variable_octets=5)
    )
    assert isinstance(outcome.actions[0], Reject)
    assert outcome.actions[0].reason == "abÄ"


def test_four_thousand_characters_and_128_variables_are_possible() -> None:
    sets = "".join(f'set "v{number}" "{number}";' for number in range(128))
    outcome = go(
        f'require ["variables", "reject"]; {sets} set :length "n" "{"Ä" * 4000}"; reject "${{n}} ${{v127}}";'
    )
    assert isinstance(outcome.actions[0], Reject)
    assert outcome.actions[0].reason == "4000 127"


def test_variables_are_limited() -> None:
    sets = "".join(f'set "v{number}" "x";' for number in range(257))
    assert "256 variables" in str(go(f'require "variables"; {sets}').error)


@pytest.mark.parametrize("kind", [":matches", ":regex"])
def test_patterns_are_limited(kind: str) -> None:
    long = "?a" * 40_000 if kind == ":matches" else "a" * 80_000
    with pytest.raises(ScriptError, match="is longer than 65536"):
        compile_script(f'require ["regex"]; if header {kind} "x" "{long}" {{ stop; }}'.encode())
    script = f'require ["variables", "regex"]; set "a" "{long[:30_000]}"; if header {kind} "subject" "${{a}}${{a}}${{a}}" {{ stop; }}'
    assert "is longer than 65536" in str(go(script).error)


def test_edits_are_limited() -> None:
    assert "64 times" in str(go('require "editheader";' + 'addheader "X" "y";' * 65).error)


def test_includes_are_limited_in_number_and_depth() -> None:
    def included(body: str) -> Program:
        return compile_script(body.encode())

    notebook = Notebook()
    for number in range(12):
        question = ScriptNamed(Location.PERSONAL, f"s{number}")
        notebook.scripts[question] = included(f'require "include"; include "s{number + 1}";')
    notebook.scripts[ScriptNamed(Location.PERSONAL, "leaf")] = included("keep;")
    deep = compile_script(b'require "include"; include "s0";')
    outcome = run(deep, Received.from_octets(A), situation({}), notebook)
    assert "too deeply" in str(outcome.error)
    wide = compile_script(b'require "include";' + b'include "leaf";' * 65)
    assert "64 others" in str(run(wide, Received.from_octets(A), situation({}), notebook).error)


def test_a_program_can_be_run_again() -> None:
    program = compile_script(
        b'require ["variables","imap4flags"]; addflag "A"; set "x" "${x}1"; if string "${x}" "1" { discard; }'
    )
    outcomes = {run(program, Received.from_octets(A), situation({})).actions for _ in range(3)}
    assert len(outcomes) == 1


# Answers that must be fetched


def test_a_run_stops_at_a_question_and_is_made_again() -> None:
    script = """require ["fileinto", "mailbox", "servermetadata", "duplicate", "include"];
        include "other";
        if allof (mailboxexists "A", servermetadata "/private/x" "y", not duplicate :uniqueid "z") { fileinto "A"; }"""
    program = compile_script(script.encode())
    notebook = Notebook()
    asked: list[Question] = []
    while True:
        try:
            outcome = run(program, Received.from_octets(A), situation({}), notebook)
            break
        except Unanswered as unanswered:
            question = unanswered.question
            asked.append(question)
            if isinstance(question, Metadata):
                notebook.annotations[question] = "y"
            elif isinstance(question, ScriptNamed):
                notebook.scripts[question] = compile_script(b"# nothing")
            else:
                assert isinstance(question, MailboxExists | SeenBefore)
                notebook.yes_or_no[question] = isinstance(question, MailboxExists)
    assert [type(question) for question in asked] == [ScriptNamed, MailboxExists, Metadata, SeenBefore]
    assert [type(action) for action in outcome.actions] == [FileInto]
    assert [(track.unique_id, track.seconds) for track in outcome.tracks] == [(b"z", 604800)]


def test_an_included_script_with_errors_is_an_error_of_the_run() -> None:
    notebook = Notebook()
    notebook.scripts[ScriptNamed(Location.GLOBAL, "x")] = ScriptError("no good", 3)
    program = compile_script(b'require "include";\ninclude :global "x";')
    outcome = run(program, Received.from_octets(A), situation({}), notebook)
    assert str(outcome.error) == 'line 2: the script "x" has an error: line 3: no good'


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('if header "subject" "x" { discard; }', False),
        ("if size :over 1M { discard; }", False),
        ('require ["vacation", "editheader"]; vacation "x"; addheader "x" "y";', False),
        ('require "body";', False),
        ('require "body"; if body "x" { discard; }', True),
        ('require "mime"; if exists :mime "x" { discard; }', True),
        ('require "foreverypart"; foreverypart { }', True),
        ('require "enclose"; enclose "x";', True),
        ('require "include"; include "x";', True),
    ],
)
def test_a_program_knows_whether_it_may_need_the_body(script: str, expected: bool) -> None:
    assert compile_script(script.encode()).may_need_body is expected


def test_the_body_is_asked_for_when_it_is_needed() -> None:
    program = compile_script(
        b'require "body"; if header :contains "subject" "present" { if body :contains "anvil" { discard; } }'
    )
    received = Received.from_octets(A)
    header_only = Received(received.header, None, received.size_octets)
    with pytest.raises(Unanswered) as caught:
        run(program, header_only, situation({}))
    assert caught.value.question == BodyWanted()
    other = Received(b"Subject: other\r\n\r\n", None, 10)
    assert [type(action) for action in run(program, other, situation({})).actions] == [Keep]


def test_edits_of_the_header_do_not_need_the_body() -> None:
    program = compile_script(b'require "editheader"; addheader "X" "1"; keep;')
    received = Received.from_octets(A)
    outcome = run(program, Received(received.header, None, received.size_octets), situation({}))
    assert edition(outcome) == Edition(b"X: 1\r\n" + received.header, None)


# Editions


def test_added_and_deleted_fields() -> None:
    content = b"From nobody\r\nReceived: one\r\nX: 1\r\n 2\r\nno field\r\nSubject: s\r\n\r\nbody"
    outcome = go(
        'require "editheader"; addheader "A" "1"; addheader "B" "2"; addheader :last "C" "3"; deleteheader "X";',
        content,
    )
    assert edition(outcome).header == (
        b"B: 2\r\nA: 1\r\nFrom nobody\r\nReceived: one\r\nno field\r\nSubject: s\r\nC: 3\r\n\r\n"
    )
    assert edition(outcome).body is None


def test_a_line_that_looks_like_a_field_but_is_none() -> None:
    content = b"no X: 1\r\nX: 1\r\nY: 2\r\n\r\n"
    outcome = go('require "editheader"; deleteheader "X";', content)
    assert edition(outcome).header == b"no X: 1\r\nY: 2\r\n\r\n"


def test_a_long_value_is_folded() -> None:
    outcome = go(f'require "editheader"; addheader "X-Long" "{"word " * 300}";')
    lines = edition(outcome).header.split(b"\r\n")
    assert max(len(line) for line in lines) <= 998
    assert changed(outcome, A)["X-Long"].replace("\r\n", "").split() == ["word"] * 300


def test_a_value_in_other_letters_is_one_field() -> None:
    outcome = go('require "editheader"; addheader "X-Name" "Grüße, Jürgen: 日本語";')
    (name, _), *_ = changed(outcome, A).items()
    assert name == "X-Name"
    assert edition(outcome).header.isascii()


@pytest.mark.parametrize("name", ["X-A:", "X A", "", "Ä", "X\r\nBcc"])
def test_a_bad_name_of_a_field(name: str) -> None:
    with pytest.raises(ScriptError, match="is no name of a header field"):
        compile_script(f'require "editheader"; addheader "{name}" "x";'.encode())


def test_a_replaced_part() -> None:
    script = """require ["foreverypart", "mime", "replace"];
        foreverypart { if header :mime :contenttype "content-type" "text/plain" { replace "new\r\n"; break; } }"""
    outcome = go(script, MULTIPART.replace(b"--x\r\n\r\none", b"--x\r\nContent-Type: text/plain\r\n\r\none"))
    message = changed(outcome, MULTIPART)
    one, two = parts_of(message)
    assert text_of(one) == "new\r\n"
    assert parts_of(two)[0]["Subject"] == "inner"
    assert text_of(parts_of(two)[0]) == "two"
    body = edition(outcome).body
    assert body is not None
    assert body.startswith(b"preamble\r\n--x\r\n")
    assert body.endswith(b"--x--\r\nepilogue\r\n")


def test_a_replaced_message_within_the_message_keeps_its_own_fields() -> None:
    script = """require ["foreverypart", "mime", "replace"];
        foreverypart { if header :mime "subject" "inner" { replace "gone"; } }"""
    message = changed(go(script, MULTIPART), MULTIPART)
    inner = parts_of(parts_of(message)[1])[0]
    assert inner["Subject"] == "inner"
    assert inner.get_content_type() == "text/plain"
    assert text_of(inner).strip() == "gone"


def test_a_replaced_message() -> None:
    script = """require "replace";
        replace :mime :subject "Neu: ä" :from "\\"Me\\" <me@example.com>" "Content-Type: text/html\r\n\r\n<p>x</p>";"""
    outcome = go(script, MULTIPART.replace(b"From:", b"Subject: old\r\nReceived: r\r\nFrom:"))
    message = changed(outcome, MULTIPART)
    assert message.get_content_type() == "text/html"
    assert message.get_payload() == "<p>x</p>"
    assert message.get_all("Content-Type") == ["text/html"]
    assert (message["Original-Subject"], message["Original-From"]) == ("old", "a@b.example")
    assert message["From"] == '"Me" <me@example.com>'
    assert len(message.get_all("Subject", [])) == len(message.get_all("From", [])) == 1
    assert message["Received"] == "r"


def test_a_part_that_is_replaced_twice() -> None:
    script = """require ["foreverypart", "replace", "variables"];
        foreverypart { set "n" "${n}x"; if string "${n}" "xx" { replace "first"; replace "second"; } }"""
    message = changed(go(script, MULTIPART), MULTIPART)
    assert text_of(parts_of(message)[0]).strip() == "second"


def test_an_enclosed_message() -> None:
    script = 'require ["enclose", "fileinto", "copy"]; enclose :subject "Warning" :headers ["X-Keep"] "Look: ä"; fileinto "a"; redirect "b@c.example";'
    content = b"X-Keep: 1\r\n" + MULTIPART + b"\xff"
    outcome = go(script, content)
    found = edition(outcome, 0)
    assert found.body is not None
    message = email.message_from_bytes(found.header + found.body)
    text, enclosed = parts_of(message)
    assert (message["Subject"], message["X-Keep"], message["From"]) == (
        "Warning",
        "1",
        "roadrunner@acme.example.com",
    )
    assert message["Date"] == "Sat, 21 Nov 2026 09:30:15 +0000"
    assert octets_of(text).decode() == "Look: ä\r\n"
    assert enclosed.get_content_type() == "message/rfc822"
    assert content in found.body
    assert isinstance(outcome.actions[1], Redirect)
    assert outcome.actions[1].edition is None


# What is remembered


def handle(script: str, subject: str = "x") -> tuple[str, int]:
    content = f"To: roadrunner@acme.example.com\r\nSubject: {subject}\r\n\r\n".encode()
    action = go(f'require ["vacation", "variables"]; {script}', content).actions[0]
    assert isinstance(action, Vacation)
    return action.handle, action.interval_seconds


def test_answers_with_the_same_words_are_the_same() -> None:
    one = handle('vacation :days 3 :subject "s" "a";')
    two = handle('vacation :subject "s" :addresses "x@y.example" "a";')
    assert one[0] == two[0]
    assert one[1] == 3 * 86400


def test_answers_with_other_words_are_others() -> None:
    handles = {
        handle(script)[0]
        for script in (
            'vacation "a";',
            'vacation "b";',
            'vacation :mime "a";',
            'vacation :subject "a" "a";',
            'vacation :subject "" "a";',
            'vacation :subject "aa" "";',
            'vacation :subject "" "aa";',
            'vacation :from "roadrunner@acme.example.com" "a";',
            'vacation :subject "roadrunner@acme.example.com" "a";',
            'vacation :handle "a" "a";',
        )
    }
    assert len(handles) == 10


def test_variables_do_not_make_another_answer() -> None:
    script = 'if header :matches "subject" "*" { vacation :subject "Automatic response to: ${1}" "I am away: ${1}"; }'
    assert handle(script, "one") == handle(script, "two")


def test_a_handle_goes_before_the_words() -> None:
    assert handle('vacation :handle "h" "a";') == handle('vacation :handle "h" :subject "s" "b";')


def test_currentdate_is_one_instant() -> None:
    program = compile_script(b'require "date"; if currentdate "iso8601" "2026-11-21T09:30:15Z" { discard; }')
    for _ in range(2):
        outcome = run(program, Received.from_octets(A), situation({}))
        assert outcome.actions[0].place == Place(1)
    later = situation({"now": [(NOW + timedelta(days=1)).isoformat()]})
    assert [type(action) for action in run(program, Received.from_octets(A), later).actions] == [Keep]


def test_a_message_with_very_many_fields() -> None:
    content = b"".join(b"X-%d: y\r\n" % number for number in range(50_000)) + b"\r\n"
    outcome = go('if header "x-49999" "y" { discard; }', content)
    assert outcome.error is None
    assert outcome.steps < 100


def test_a_message_with_very_many_parts_is_one_opaque_part() -> None:
    content = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\ny\r\n" * 5000
    outcome = go(
        'require ["foreverypart", "variables", "fileinto"]; foreverypart { set "n" "${n}x"; } fileinto "${n}";',
        content,
    )
    assert isinstance(outcome.actions[0], FileInto)
    assert outcome.actions[0].target.mailbox == "x"
