"""A tenant's scripts before and after the user's own."""

from sieve import Outcome, Received, Stage, compile_script, run_chain
from sieve.actions import Discard, Edition, FileInto, Keep, Redirect, Reject, Target, Vacation
from sieve.errors import Place

from tests.support.sieve_cases import MESSAGES, situation

RECEIVED = Received.from_octets(MESSAGES["A"].replace("\n", "\r\n").encode())


def chain(*scripts: str) -> Outcome:
    names = ("before", "own", "after")
    stages = [
        Stage(name, compile_script(script.encode())) for name, script in zip(names, scripts, strict=False)
    ]
    return run_chain(stages, RECEIVED, situation({}))


def kinds(outcome: Outcome) -> list[type]:
    return [type(action) for action in outcome.actions]


def test_no_scripts_keep_nothing_by_themselves() -> None:
    assert run_chain([], RECEIVED, situation({})) == Outcome((), (), (), None, 0)


def test_what_is_kept_goes_on_to_the_next() -> None:
    outcome = chain("keep;", 'require "fileinto"; fileinto "own";', "discard;")
    assert outcome.actions == (FileInto(Place(1, "own"), Target("own")),)


def test_the_last_keep_counts_once() -> None:
    assert kinds(chain("keep;", "keep;", "# nothing")) == [Keep]


def test_what_is_disposed_of_does_not() -> None:
    assert kinds(chain("discard;", 'redirect "a@example.com";')) == [Discard]
    rejected = chain('require "reject"; reject "no";', "keep;")
    assert kinds(rejected) == [Reject]
    assert rejected.actions[0].place == Place(1, "before")


def test_a_copy_before_stays_whatever_the_user_does() -> None:
    journal = 'require "copy"; redirect :copy "journal@example.com";'
    assert kinds(chain(journal, 'require "ereject"; ereject "no";')) == [Redirect, Reject]
    failed = chain(journal, 'require "ihave";\nerror "x";', "discard;")
    assert kinds(failed) == [Redirect, Keep]
    assert str(failed.error) == "own: line 2: x"


def test_once_for_each_mailbox_address_and_sender() -> None:
    script = """require ["copy", "fileinto", "vacation"]; redirect :copy "A@example.com"; fileinto :copy "x";
        vacation :handle "h" "away";"""
    outcome = chain(script, script.replace("A@", "a@"))
    assert kinds(outcome) == [Redirect, FileInto, Vacation, Keep]
    assert {action.place.script for action in outcome.actions[:3]} == {"before"}


def test_changes_and_flags_go_on_to_the_next() -> None:
    outcome = chain(
        'require ["editheader", "imap4flags"]; addheader "X" "1"; addflag "A";',
        'require ["fileinto", "imap4flags"]; if header "x" "1" { addflag "B"; fileinto "y"; }',
    )
    (action,) = outcome.actions
    assert isinstance(action, FileInto)
    assert action.flags == ("A", "B")
    assert action.edition == Edition(b"X: 1\r\n" + RECEIVED.header, None)


def test_a_script_that_fails_changes_nothing() -> None:
    outcome = chain(
        'require "editheader"; addheader "X" "1";',
        'require ["editheader", "ihave"]; addheader "Y" "2"; error "x";',
    )
    (action,) = outcome.actions
    assert isinstance(action, Keep)
    assert action.edition is not None
    assert action.edition.header.startswith(b"X: 1\r\nDate:")


def test_edits_of_the_header_alone_need_no_body() -> None:
    stages = [
        Stage("before", compile_script(b'require "editheader"; addheader "X" "1";')),
        Stage("own", compile_script(b'if header "x" "1" { keep; }')),
    ]
    outcome = run_chain(stages, Received(RECEIVED.header, None, 1000), situation({}))
    assert outcome.actions == (Keep(Place(1, "own"), (), Edition(b"X: 1\r\n" + RECEIVED.header, None)),)
