"""What scripts send at delivery: from whom it comes, with which trace, and that machines are not answered."""

import itertools
import time
from dataclasses import replace

import pytest
from mailmodel import AccountRef
from mailmsg.header import fields
from mailproto.smtp.dsn_request import RecipientRequest
from mda.core.sieving import was_redirected_by
from mda.edge import running
from senderauth import Result
from sieve import Program, compile_script
from spool import Speaker

from tests.unit.mda.test_receipts import CONTENT, envelope_of
from tests.unit.mda.test_rejecting import World


async def sent(script: str, reverse_path: str = "alice@far.test", before: str = "") -> World:
    world = World(envelope_of(RecipientRequest(), reverse_path=reverse_path), script, before)
    await world.file()
    return world


@pytest.mark.parametrize("reverse_path", ["alice@far.test", ""])
async def test_a_redirect_keeps_the_reverse_path_and_adds_to_the_trace(reverse_path: str) -> None:
    """RFC 5228 §4.2: a null reverse-path stays null; all Received fields stay, and there is one more."""
    world = await sent('redirect "elsewhere@far.test";', reverse_path)
    [letter] = world.letters.values()
    assert letter.reverse_path == reverse_path
    assert [each.address for each in letter.recipients] == ["elsewhere@far.test"]
    assert letter.content == CONTENT
    header = letter.trace_prefix + letter.content
    names = [field.name.lower() for field in fields(header)]
    assert names.count(b"received") == 1 + CONTENT.lower().count(b"received:")
    # Who passed it on stops it when it comes round again.
    assert was_redirected_by(header, "r0@a.test")
    # Without ":copy" nothing of it stays (the delivery only counts as settled).
    assert [each.new for each in world.kept.values()] == [None]


@pytest.mark.parametrize(("reverse_path", "expected"), [("alice@far.test", "r0@a.test"), ("", "")])
async def test_a_notification_about_a_notice_has_the_null_reverse_path(
    reverse_path: str, expected: str
) -> None:
    """RFC 5436 §2.7. And to notify leaves the implicit keep alone (RFC 5435 §7)."""
    world = await sent('require "enotify"; notify "mailto:me@far.test";', reverse_path)
    [letter] = world.letters.values()
    assert letter.reverse_path == expected
    [value] = [field.value for field in fields(letter.content) if field.name == b"Auto-Submitted"]
    assert value.strip() == b'auto-notified; owner-email="r0@a.test"'
    assert [each.new is not None for each in world.kept.values()] == [True]


async def test_discard_is_silent() -> None:
    """RFC 5228 §4.4: no notice of any kind."""
    world = await sent("discard;")
    assert world.letters == {}
    assert world.told == []
    assert [each.new for each in world.kept.values()] == [None]


async def test_an_error_keeps_the_message_and_tells_its_reader_and_nobody_else() -> None:
    """RFC 5228 §2.10.6: what was asked for before the error is not done."""
    broken = 'require ["variables", "fileinto"]; redirect "a@far.test"; set "n" ""; fileinto "${n}";'
    world = await sent(broken)
    letters = [[each.address for each in letter.recipients] for letter in world.letters.values()]
    assert letters == [["r0@a.test"]]
    [notice] = world.letters.values()
    assert notice.reverse_path == ""
    assert [each.mailbox_name for each in world.kept.values() if each.new is not None] == ["INBOX"]


async def test_a_script_that_takes_too_long_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs scripts here gives them a clock, though it is the language's limit."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "thread_time", lambda: float(next(ticks)) * 10)
    world = await sent(
        'discard; if header :contains "subject" [' + ",".join(['"a"'] * 20_000) + "] { stop; }"
    )
    assert [each.mailbox_name for each in world.kept.values() if each.new is not None] == ["INBOX"]
    [notice] = world.letters.values()
    assert b"the script takes too long" in notice.content


async def test_questions_win_a_script_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(time, "thread_time", lambda: float(next(ticks)) * 2)
    keys = ",".join(['"zq"'] * 6000)
    world = await sent(
        f'require "body"; discard; if header :contains "subject" [{keys}] {{ stop; }} if body :contains "zq" {{ stop; }}'
    )
    # It is begun anew with the body, and has no second five seconds then.
    assert [each.mailbox_name for each in world.kept.values() if each.new is not None] == ["INBOX"]
    [notice] = world.letters.values()
    assert b"the script takes too long" in notice.content


@pytest.mark.parametrize(
    "script",
    ['redirect "elsewhere@far.test";', 'require "editheader"; addheader "X" "y"; fileinto "Archive";'],
)
async def test_what_was_altered_is_not_sent_on_nor_stored_anew(script: str) -> None:
    """It would be what was stored then: nobody could see any more that an octet was flipped."""
    world = World(
        envelope_of(RecipientRequest()), script.replace('"editheader"', '["editheader", "fileinto"]')
    )
    usual = world.get_range

    async def flipped(key: str, offset: int, length: int) -> bytes:
        return (await usual(key, offset, length)).replace(b"text", b"tezt")

    world.get_range = flipped  # type: ignore[method-assign]
    await world.file()
    assert world.letters == {}
    [delivery] = world.kept.values()
    assert delivery.new is not None
    assert delivery.new.body.object_key == "k"


async def test_what_is_included_is_compiled_in_the_scripts_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each message to one reader could make us compile as many megabytes as he may keep."""
    compiled: list[bytes] = []

    async def get(account: AccountRef, name: str) -> bytes:
        return b"# %b\r\nif false { discard; }" % name.encode()

    def compile_slowly(content: bytes, *, available: frozenset[str]) -> Program:
        compiled.append(content)
        return compile_script(content, available=available)

    ticks = itertools.count()
    monkeypatch.setattr(time, "thread_time", lambda: float(next(ticks)))
    monkeypatch.setattr(running, "compile_script", compile_slowly)
    lines = "".join(f'include "s{number}";\r\n' for number in range(60))
    world = World(envelope_of(RecipientRequest()), f'require "include"; {lines} discard;')
    world.scripts.get = get
    await world.file()
    assert [each.mailbox_name for each in world.kept.values() if each.new is not None] == ["INBOX"]
    [notice] = world.letters.values()
    assert b"the script takes too long" in notice.content
    # The script itself, and a few of what it wanted.
    assert 1 < len(compiled) < 8


@pytest.mark.parametrize(("spf", "answers"), [(Result.PASS, 1), (Result.FAIL, 0), (Result.NONE, 0)])
async def test_whoever_a_stranger_names_is_not_answered(
    spf: Result, answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reverse-path may be anybody's: an answer would go to who has not written."""
    monkeypatch.setattr("tests.unit.mda.test_rejecting.CONTENT", b"To: r0@a.test\r\n" + CONTENT)
    none = Result.NONE
    speaker = Speaker(spf, "far.test", none, none, "", (), none, (), none, "", "none")
    envelope = replace(envelope_of(RecipientRequest()), speaker=speaker)
    world = World(envelope, 'require "vacation"; vacation "I am away";')
    await world.file()
    assert len(world.letters) == answers
    assert [each.new is not None for each in world.kept.values()] == [True]
