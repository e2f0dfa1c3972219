"""The POP3 machine: every command in every state, TLS, SASL, pipelining, and every way to split the octets."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.pop3.commands import MOST_DISCARDED_OCTETS, Keyword
from mailproto.pop3.events import LoginFailure
from mailproto.pop3.server import MOST_FAILED_LOGINS, MOST_MISTAKES
from mailproto.pop3.states import PasswordRule, TlsState
from mailproto.pop3.stuffing import DotStuffer, TopCutter, stuffed_whole

from tests.unit.mailproto.pop3.memory import Memory, logged_in

SESSION = (
    b"CAPA\r\nUSER mrose\r\nPASS tanstaaf\r\nSTAT\r\nLIST\r\nUIDL\r\nLIST 2\r\nUIDL 1\r\nRETR 1\r\nTOP 1 1\r\nDELE 1\r\n"
    b"RETR 1\r\nLIST\r\nRSET\r\nNOOP\r\nDELE 2\r\nnonsense\r\nQUIT\r\n"
)


def test_every_split_of_the_octets_gives_the_same_answers() -> None:
    expected = Memory().exchange(SESSION)
    assert b"signing off (1 message)" in expected
    for split in range(1, len(SESSION)):
        memory = Memory(chunk_octets=7)
        assert memory.exchange(SESSION[:split]) + memory.exchange(SESSION[split:]) == expected
        assert memory.removed == (2,)
    memory = Memory(chunk_octets=1)
    assert b"".join(memory.exchange(bytes([octet])) for octet in SESSION) == expected


IN_AUTHORIZATION = {
    Keyword.CAPA, Keyword.QUIT, Keyword.USER, Keyword.PASS, Keyword.AUTH, Keyword.STLS, Keyword.UTF8, Keyword.LANG,
}  # fmt: skip
IN_TRANSACTION = {
    Keyword.CAPA, Keyword.QUIT, Keyword.NOOP, Keyword.STAT, Keyword.LIST, Keyword.UIDL, Keyword.RETR, Keyword.TOP,
    Keyword.DELE, Keyword.RSET, Keyword.LANG,
}  # fmt: skip
LINES = {
    Keyword.USER: b"USER mrose\r\n",
    Keyword.PASS: b"PASS x\r\n",
    Keyword.RETR: b"RETR 1\r\n",
    Keyword.TOP: b"TOP 1 0\r\n",
    Keyword.DELE: b"DELE 1\r\n",
}


@pytest.mark.parametrize("keyword", Keyword)
def test_which_command_is_allowed_when(keyword: Keyword) -> None:
    line = LINES.get(keyword, keyword.value + b"\r\n")
    fresh = Memory()
    fresh.exchange(b"")
    before = fresh.exchange(line)
    assert (before == b"-ERR Not now\r\n") is (keyword not in IN_AUTHORIZATION)
    after = logged_in().exchange(line)
    assert (after == b"-ERR Not now\r\n") is (keyword not in IN_TRANSACTION)


@pytest.mark.parametrize(("keep_days", "line"), [(0, b"EXPIRE NEVER"), (14, b"EXPIRE 14")])
def test_after_login_the_accounts_own_expiry_is_said(keep_days: int, line: bytes) -> None:
    memory = logged_in()
    memory.machine._maildrop.keep_days = keep_days
    assert line in memory.exchange(b"CAPA\r\n").split(b"\r\n")


def test_capabilities_follow_the_state() -> None:
    memory = Memory()
    memory.exchange(b"")
    before = memory.exchange(b"CAPA\r\n").split(b"\r\n")
    assert before[0].startswith(b"+OK")
    assert {b"TOP", b"UIDL", b"USER", b"SASL PLAIN LOGIN", b"STLS", b"PIPELINING", b"RESP-CODES"} < set(
        before
    )
    assert {b"AUTH-RESP-CODE", b"EXPIRE 1 USER", b"IMPLEMENTATION Posthouse"} < set(before)
    assert {b"LOGIN-DELAY 0", b"UTF8 USER", b"LANG"} < set(before)
    assert before[-2:] == [b".", b""]
    after = logged_in().exchange(b"capa\r\n").split(b"\r\n")
    # RFC 6856 §2, §3 and RFC 2449 §6: announced in both states alike; what differs may.
    assert set(before) ^ set(after) == {b"STLS", b"EXPIRE 1 USER", b"EXPIRE NEVER"}


@pytest.mark.parametrize(
    "line",
    [b"USER mrose\r\n", b"PASS tanstaaf\r\n", b"AUTH PLAIN AG1yb3NlAHRhbnN0YWFm\r\n", b"AUTH LOGIN\r\n"],
)
def test_no_password_before_tls(line: bytes) -> None:
    memory = Memory(rule=PasswordRule.NEEDS_TLS)
    assert b"\r\nUSER\r\n" not in memory.exchange(b"CAPA\r\n")
    assert memory.exchange(line) == b"-ERR A password needs TLS first\r\n"
    assert memory.logins == []
    assert b"+OK Begin" in memory.exchange(b"STLS\r\n")
    capabilities = memory.exchange(b"CAPA\r\n")
    assert b"\r\nUSER\r\n" in capabilities
    assert b"STLS" not in capabilities


@pytest.mark.parametrize(
    "injected", [b"USER eve\r\n", b"USER eve\r\nPASS tanstaaf\r\n", b"QUIT\r\n", b"x" * 300]
)
def test_stls_forgets_what_came_in_clear(injected: bytes) -> None:
    memory = Memory(rule=PasswordRule.PLAINTEXT_ALLOWED)
    memory.exchange(b"USER mrose\r\n")
    assert memory.exchange(b"STLS\r\n" + injected) == b"+OK Begin TLS negotiation\r\n"
    assert memory.exchange(b"PASS tanstaaf\r\n") == b"-ERR USER comes first\r\n"
    assert memory.logins == []
    assert b"TLS is on already" in memory.exchange(b"STLS\r\n")


def test_stls_where_there_is_none() -> None:
    assert b"-ERR There is no TLS here" in Memory(tls=TlsState.UNAVAILABLE).exchange(b"STLS\r\n")


def test_lang_knows_one_language() -> None:
    for memory in (Memory(), logged_in()):
        memory.exchange(b"")
        assert memory.exchange(b"LANG\r\n") == b"+OK Language listing follows\r\nen English\r\n.\r\n"
        for wanted in (b"en", b"EN", b"*", b"i-default"):
            assert memory.exchange(b"LANG " + wanted + b"\r\n").startswith(b"+OK en ")
        for unknown in (b"MUL", b"de", b"en-GB"):
            assert memory.exchange(b"LANG " + unknown + b"\r\n").startswith(b"-ERR ")


UTF8_MESSAGE = (
    "From: Zoë <zoe@example.test>\r\nTo: ü@example.test\r\nSubject: Grüße\r\n\r\nÄ body\r\n".encode()
)


def test_a_client_that_says_utf8_gets_messages_as_they_are() -> None:
    memory = Memory(messages=[UTF8_MESSAGE])
    memory.exchange(b"")
    assert memory.exchange(b"UTF8\r\n").startswith(b"+OK")
    assert memory.exchange(b"STLS\r\n").startswith(b"-ERR")
    memory.exchange(b"USER mrose\r\nPASS tanstaaf\r\n")
    octets = b"+OK %d octets\r\n" % len(UTF8_MESSAGE)
    assert memory.exchange(b"RETR 1\r\n") == octets + UTF8_MESSAGE + b".\r\n"


@pytest.mark.parametrize("chunk_octets", [1, 2, 7, 1 << 20])
def test_one_that_does_not_gets_a_header_in_ascii(chunk_octets: int) -> None:
    memory = logged_in(messages=[UTF8_MESSAGE], chunk_octets=chunk_octets)
    said = memory.exchange(b"RETR 1\r\n")
    header, _, body = said.partition(b"\r\n\r\n")
    assert header.isascii()
    assert b"From: =?utf-8?B?" in header
    assert b"<zoe@example.test>" in header
    assert body == "Ä body\r\n.\r\n".encode()
    assert (
        memory.exchange(b"TOP 1 0\r\n").split(b"\r\n", 1)[1] == header.split(b"\r\n", 1)[1] + b"\r\n\r\n.\r\n"
    )


def test_names_and_passwords_may_be_utf8_and_nothing_else() -> None:
    """RFC 6856 §2.2."""
    memory = Memory()
    memory.exchange("USER zoë\r\nPASS pässword\r\n".encode())
    assert memory.logins == [("zoë", "pässword")]
    assert memory.exchange(b"USER zo\xeb\r\n").startswith(b"-ERR")
    memory.exchange(b"USER zoe\r\n")
    assert memory.exchange(b"PASS p\xe4ss\r\n").startswith(b"-ERR")


def b64(text: bytes) -> bytes:
    return base64.b64encode(text)


@pytest.mark.parametrize(
    "lines",
    [
        [b"AUTH PLAIN " + b64(b"\0mrose\0tanstaaf")],
        [b"AUTH PLAIN", b64(b"\0mrose\0tanstaaf")],
        [b"auth plain", b64(b"mrose\0mrose\0tanstaaf")],
        [b"AUTH LOGIN", b64(b"mrose"), b64(b"tanstaaf")],
        [b"AUTH LOGIN " + b64(b"mrose"), b64(b"tanstaaf")],
    ],
)
def test_sasl(lines: list[bytes]) -> None:
    memory = Memory()
    answers = [memory.exchange(line + b"\r\n") for line in lines]
    assert answers[-1].endswith(b"+OK maildrop has 2 messages (320 octets)\r\n")
    assert memory.logins == [("mrose", "tanstaaf")]


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([b"AUTH PLAIN", b"*"], b"-ERR Cancelled\r\n"),
        ([b"AUTH PLAIN", b"!!!"], b"-ERR That is no base64\r\n"),
        ([b"AUTH PLAIN " + b64(b"mrose\0tanstaaf")], b"-ERR That is no PLAIN message\r\n"),
        ([b"AUTH PLAIN " + b64(b"root\0mrose\0tanstaaf")], b"-ERR [AUTH] Authentication failed\r\n"),
        ([b"AUTH PLAIN ="], b"-ERR That is no PLAIN message\r\n"),
        ([b"AUTH LOGIN", b64(b"\xff"), b64(b"x")], b"-ERR [AUTH] Authentication failed\r\n"),
        ([b"AUTH GSSAPI"], b"-ERR Unknown mechanism\r\n"),
        ([b"AUTH PLAIN", b"A" * 13000], b"-ERR Line too long\r\n"),
    ],
)
def test_sasl_mistakes_lead_back(lines: list[bytes], answer: bytes) -> None:
    memory = Memory()
    memory.exchange(b"")
    answers = [memory.exchange(line + b"\r\n") for line in lines]
    assert answers[-1] == answer
    assert memory.logins == []
    assert memory.exchange(b"USER mrose\r\n").startswith(b"+OK")


@pytest.mark.parametrize("failure", LoginFailure)
def test_login_failures_have_their_codes(failure: LoginFailure) -> None:
    memory = Memory(failure=failure)
    memory.exchange(b"USER mrose\r\n")
    assert memory.exchange(b"PASS tanstaaf\r\n").startswith(b"-ERR [%s] " % failure.value.encode())
    assert memory.exchange(b"STAT\r\n") == b"-ERR Not now\r\n"


def test_too_many_wrong_passwords_end_the_session() -> None:
    memory = Memory()
    for _ in range(MOST_FAILED_LOGINS):
        assert not memory.closed
        memory.exchange(b"USER mrose\r\nPASS wrong\r\n")
    assert memory.closed


def test_a_password_may_hold_blanks() -> None:
    memory = Memory()
    memory.exchange(b"USER mrose\r\nPASS  two words \r\n")
    assert memory.logins == [("mrose", " two words ")]


def test_deleted_messages_can_not_be_referred_to() -> None:
    memory = logged_in()
    memory.exchange(b"DELE 1\r\n")
    for line in (b"DELE 1", b"RETR 1", b"TOP 1 1", b"LIST 1", b"UIDL 1"):
        assert memory.exchange(line + b"\r\n") == b"-ERR No such message\r\n"
    assert memory.exchange(b"STAT\r\n") == b"+OK 1 200\r\n"
    assert memory.exchange(b"UIDL\r\n") == b"+OK unique-ids follow\r\n2 7.102\r\n.\r\n"
    assert memory.exchange(b"RSET\r\nSTAT\r\n").endswith(b"+OK 2 320\r\n")


@pytest.mark.parametrize("argument", [b"0", b"3", b"99999999999", b"-1", b"x", b"1 2", b"", b"\xb2"])
@pytest.mark.parametrize("keyword", [b"RETR", b"DELE"])
def test_wrong_numbers(keyword: bytes, argument: bytes) -> None:
    assert logged_in().exchange(keyword + b" " + argument + b"\r\n").startswith(b"-ERR")


def test_nothing_is_removed_without_quit() -> None:
    memory = logged_in()
    memory.exchange(b"DELE 1\r\n")
    memory.machine.say_goodbye("Autologout")
    assert memory.exchange(b"QUIT\r\n") == b"-ERR [SYS/TEMP] Autologout\r\n"
    assert memory.removed is None
    assert memory.closed


def test_an_update_that_fails_is_told() -> None:
    memory = logged_in()
    memory.update_fails = True
    assert memory.exchange(b"DELE 1\r\nQUIT\r\n").endswith(
        b"-ERR [SYS/TEMP] The deleted messages were not removed\r\n"
    )
    assert memory.closed


def test_a_message_that_can_not_be_read() -> None:
    memory = logged_in()
    memory.read_fails = True
    assert (
        memory.exchange(b"RETR 1\r\nNOOP\r\n")
        == b"-ERR [SYS/TEMP] The message can't be read now\r\n+OK done\r\n"
    )


def test_long_lines_are_refused_and_skipped() -> None:
    memory = logged_in()
    assert memory.exchange(b"NOOP " + b"x" * 1000 + b"\r\nNOOP\r\n") == b"-ERR Line too long\r\n+OK done\r\n"
    assert memory.exchange(b"y" * 255) == b"-ERR Line too long\r\n"
    assert memory.exchange(b"y" * MOST_DISCARDED_OCTETS + b"y").startswith(b"-ERR")
    assert memory.closed


def test_bare_line_feed_ends_a_command() -> None:
    assert logged_in().exchange(b"NOOP\nSTAT\n") == b"+OK done\r\n+OK 2 320\r\n"


def test_mistakes_are_bounded() -> None:
    memory = logged_in()
    assert memory.exchange(b"FOO\r\n" * (MOST_MISTAKES + 5)).count(b"-ERR") == MOST_MISTAKES
    assert memory.closed


def test_answers_do_not_pile_up() -> None:
    memory = logged_in(messages=[b"x\r\n"] * 5000)
    machine = memory.machine
    machine.receive(b"LIST\r\n" * 50)
    waiting = []
    while machine.next_event() is not None:
        waiting.append(len(machine.data_to_send()))
    assert len(waiting) > 20
    assert max(waiting) < 256 * 1024


def test_top_reads_no_more_than_it_needs() -> None:
    memory = logged_in(messages=[b"A: b\r\n\r\n" + b"line\r\n" * 10_000], chunk_octets=100)
    assert (
        memory.exchange(b"TOP 1 2\r\n") == b"+OK top of message follows\r\nA: b\r\n\r\nline\r\nline\r\n.\r\n"
    )
    assert memory.chunks_read == 1


@pytest.mark.parametrize("enter", [b"", b"UTF8\r\n"])
@pytest.mark.parametrize("command", [b"RETR 1\r\n", b"TOP 1 1\r\n", b"RETR 1\r\nRETR 2\r\nTOP 2 0\r\n"])
def test_a_message_at_hand_is_given_as_one_that_comes_in_chunks(enter: bytes, command: bytes) -> None:
    messages = ["Subject: Grüße\r\n\r\n.dot\r\nlast".encode(), b"Subject: b\r\n\r\n\xff\r\n..\r\n"]
    answers = []
    for gives_whole in (False, True):
        memory = Memory(messages=messages)
        memory.gives_whole = gives_whole
        memory.exchange(enter + b"USER mrose\r\nPASS tanstaaf\r\n")
        answers.append(memory.exchange(command))
    assert answers[0] == answers[1]
    assert ("Grüße".encode() in answers[1]) is bool(enter)


def unstuff(sent: bytes) -> bytes:
    assert sent.endswith(b"\r\n.\r\n") or sent == b".\r\n"
    lines = sent.removesuffix(b".\r\n").split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


PIECES = st.sampled_from([b".", b"..", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"a", b"\r", b"\r\n\r\n"])


@given(st.lists(PIECES, max_size=30).map(b"".join), st.integers(1, 5))
def test_stuffing_comes_back_whatever_the_chunks(message: bytes, step: int) -> None:
    stuffer = DotStuffer()
    sent = b"".join(stuffer.stuff(message[start : start + step]) for start in range(0, len(message), step))
    sent += stuffer.finish()
    assert sent.count(b"\r\n.\r\n") <= 1
    expected = message if message.endswith(b"\r\n") or not message else message + b"\r\n"
    assert unstuff(sent) == expected


@given(st.lists(PIECES, max_size=120).map(b"".join))
def test_dots_are_doubled_at_the_start_of_every_line(message: bytes) -> None:
    sent = stuffed_whole(message)
    assert sent.removesuffix(b".\r\n").removesuffix(b"\r\n") == (
        re.sub(rb"(?m)^\.", b"..", message).removesuffix(b"\r\n")
    )


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_a_message_at_hand_is_stuffed_as_one_that_comes_in_chunks(message: bytes) -> None:
    stuffer = DotStuffer()
    assert stuffed_whole(message) == stuffer.stuff(message) + stuffer.finish()


def test_a_bare_line_feed_makes_no_early_end() -> None:
    stuffer = DotStuffer()
    assert stuffer.stuff(b"a\n.\nb") + stuffer.finish() == b"a\n..\nb\r\n.\r\n"


@given(st.lists(PIECES, max_size=30).map(b"".join), st.integers(0, 4), st.integers(1, 5))
def test_top_is_the_same_whatever_the_chunks(message: bytes, lines: int, step: int) -> None:
    whole = TopCutter(lines).cut(message)
    cutter = TopCutter(lines)
    pieces = []
    for start in range(0, len(message), step):
        if cutter.done:
            break
        pieces.append(cutter.cut(message[start : start + step]))
    assert b"".join(pieces) == whole
    assert message.startswith(whole)


CLIENT = st.sampled_from(
    [
        b"USER mrose", b"PASS tanstaaf", b"PASS x", b"AUTH PLAIN", b"AUTH LOGIN", b"*", b"=", b"bXJvc2U=", b"CAPA", b"STAT",
        b"LIST", b"LIST 1", b"RETR 1", b"RETR 2", b"TOP 2 0", b"DELE 1", b"DELE 2", b"RSET", b"UIDL", b"NOOP", b"STLS",
        b"QUIT", b"", b" ", b"\xff\x00", b"x" * 300, b"LIST 1 2 3", b"TOP 1 -1", b"UTF8", b"LANG",
        b"LANG *",
    ]
)  # fmt: skip


@given(st.lists(CLIENT, max_size=40), st.booleans())
def test_no_order_of_commands_breaks_the_machine(lines: list[bytes], needs_tls: bool) -> None:
    memory = Memory(rule=PasswordRule.NEEDS_TLS if needs_tls else PasswordRule.PLAINTEXT_ALLOWED)
    memory.exchange(b"")
    for line in lines:
        answer = memory.exchange(line + b"\r\n")
        assert answer.startswith((b"+OK ", b"-ERR ", b"+ "))
        assert answer.endswith(b"\r\n")
        if memory.closed:
            break
    if memory.removed:
        assert memory.closed
        assert b"QUIT" in lines
