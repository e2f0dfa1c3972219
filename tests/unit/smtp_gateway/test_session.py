"""The gateway's session: budgets, trace fields, what is said when the gate cannot."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailproto.smtp.dsn_request import MessageRequest, Notify, Ret
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.roles import Role
from spool import OutcomeUnknown, Source, SpoolUnavailable

from tests.support.fake_gateway import FakeConnection, FakeGate, converse

HELLO = b"EHLO c.test\r\n"
ENVELOPE = b"MAIL FROM:<x@peer.test>\r\nRCPT TO:<jones@foo.com>\r\n"
MESSAGE = b"Subject: hi\r\n\r\n..dot\r\nbody\r\n.\r\n"
FROM_JONES = b"From: jones@foo.com\r\n" + MESSAGE
WHOLE = [HELLO, ENVELOPE, b"DATA\r\n", MESSAGE, b"QUIT\r\n"]


def test_a_message_is_accepted_with_its_trace() -> None:
    said, gate, _ = converse(Role.MX, WHOLE)
    [letter] = gate.letters
    assert letter.content == b"Subject: hi\r\n\r\n.dot\r\nbody\r\n"
    assert letter.source is Source.MX
    prefix = letter.trace_prefix
    assert prefix.startswith(
        b"Received: from c.test ([127.0.0.1])\r\n\tby gate.test with ESMTP id " + letter.queue_id.encode()
    )
    assert b"for <jones@foo.com>;" in prefix
    assert prefix.endswith(b" +0000\r\n")
    assert letter.queue_id.encode() in said


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 200), max_size=8))
def test_every_split_of_the_input_has_the_same_outcome(cuts: list[int]) -> None:
    whole, reference, _ = converse(Role.MX, WHOLE)
    for_real = []
    for chunk in WHOLE:
        places = sorted({cut for cut in cuts if cut < len(chunk)})
        for start, end in zip([0, *places], [*places, len(chunk)], strict=True):
            for_real.append(chunk[start:end])
    said, gate, _ = converse(Role.MX, for_real)
    assert [letter.content for letter in gate.letters] == [letter.content for letter in reference.letters]
    assert len(said) == len(whole)


def test_several_recipients_are_not_shown_to_each_other() -> None:
    _, gate, _ = converse(
        Role.MX, [HELLO, ENVELOPE + b"RCPT TO:<brown@foo.com>\r\n", b"DATA\r\n", MESSAGE, b"QUIT\r\n"]
    )
    [letter] = gate.letters
    assert len(letter.recipients) == 2
    assert b"foo.com" not in letter.trace_prefix


def test_a_recipient_given_twice_gets_one_copy() -> None:
    _, gate, _ = converse(
        Role.MX, [HELLO, ENVELOPE + b"RCPT TO:<JONES@foo.com>\r\n", b"DATA\r\n", MESSAGE, b"QUIT\r\n"]
    )
    assert len(gate.letters[0].recipients) == 1


def test_unwell_is_said_with_451_and_never_with_250() -> None:
    gate = FakeGate()
    gate.error = SpoolUnavailable("storage is away")
    said, _, _ = converse(Role.MX, WHOLE, gate)
    assert b"451 4.3.0" in said
    assert b"Accepted" not in said


def test_an_unknown_outcome_is_answered_with_silence() -> None:
    gate = FakeGate()
    gate.error = OutcomeUnknown("silence")
    said, _, connection = converse(Role.MX, WHOLE, gate)
    assert connection.aborted
    assert said.endswith(b"End data with <CR><LF>.<CR><LF>\r\n"), "neither accepted nor refused"


def test_a_fault_of_ours_is_told_and_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    said = bytearray()
    monkeypatch.setattr(FakeConnection, "write", lambda connection, data: said.extend(data))
    gate = FakeGate()
    for error, last in ((KeyError("a bug"), b"421 4.3.0 "), (ConnectionError("gone"), b"354 ")):
        gate.error = error
        with pytest.raises(type(error)):
            converse(Role.MX, WHOLE, gate)
        assert said.splitlines()[-1].startswith(last)


def test_without_the_bus_no_transaction_begins() -> None:
    gate = FakeGate()
    gate.connected = False
    said, _, _ = converse(Role.MX, [HELLO, b"MAIL FROM:<x@peer.test>\r\n", b"QUIT\r\n"], gate)
    assert b"451 4.3.0" in said


def test_a_message_over_the_limit_is_refused_and_not_kept() -> None:
    said, gate, _ = converse(
        Role.MX,
        [HELLO, ENVELOPE, b"DATA\r\n", *[b"x" * 9_998 + b"\r\n"] * 10, b".\r\n", b"QUIT\r\n"],
        message_size_octets=65_536,
    )
    assert b"552 5.3.4" in said
    assert gate.letters == []
    assert b"221 2.0.0" in said


def test_no_room_for_a_message_is_said_with_452() -> None:
    said, gate, _ = converse(
        Role.MX,
        [HELLO, ENVELOPE, b"DATA\r\n", *[b"x" * 99_998 + b"\r\n"] * 12, b".\r\n"],
        inflight_octets=1 << 20,
    )
    assert b"452 4.3.1" in said
    assert gate.letters == []


def test_an_endless_line_is_bounded_and_ends_the_session_in_the_end() -> None:
    said, _, _ = converse(Role.MX, [HELLO, *[b"x" * 100_000] * 50, b"\r\n", b"QUIT\r\n"])
    assert b"500 5.5.2" in said
    assert b"221 2.0.0" in said


def test_a_line_without_cr_is_refused() -> None:
    said, _, _ = converse(Role.MX, [b"EHLO c.test\n", b"QUIT\r\n"])
    assert b"500 5.5.2" in said


def test_too_many_errors_end_the_session() -> None:
    said, _, _ = converse(Role.MX, [HELLO, b"NONSENSE\r\n" * 30], errors=20)
    assert said.count(b"500 5.5.2") == 21
    assert said.endswith(b"421 4.7.0 Too many errors\r\n")


def test_a_hundred_bad_recipients_cost_the_session() -> None:
    harvest = b"".join(b"RCPT TO:<guess%d@foo.com>\r\n" % number for number in range(100))
    said, _, _ = converse(Role.MX, [HELLO, b"MAIL FROM:<x@peer.test>\r\n", harvest, b"QUIT\r\n"])
    assert b"421 4.7.0" in said


def test_more_recipients_than_allowed_are_told_452() -> None:
    many = b"".join(b"RCPT TO:<far%d@elsewhere.test>\r\n" % number for number in range(120))
    login = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
    said, gate, _ = converse(
        Role.MSA,
        [HELLO, login, b"MAIL FROM:<jones@foo.com>\r\n", many, b"DATA\r\n", FROM_JONES, b"QUIT\r\n"],
        recipients=100,
    )
    assert said.count(b"250 2.1.5") == 100
    assert said.count(b"452 4.5.3") == 20
    assert len(gate.letters[0].recipients) == 100


def test_a_message_that_came_round_too_often_is_refused() -> None:
    loop = b"Received: x\r\n" * 51 + b"\r\nloop\r\n.\r\n"
    said, gate, _ = converse(Role.MX, [HELLO, ENVELOPE, b"DATA\r\n", loop, b"QUIT\r\n"])
    assert b"554 5.4.6" in said
    assert gate.letters == []


@pytest.mark.parametrize("name", [b"a b", b"a\tb", b"(x)", b"a\r\nX: y", b"<a>", b"a;b", b"\xff"])
def test_a_helo_name_cannot_carry_a_header_field(name: bytes) -> None:
    said, gate, _ = converse(
        Role.MX, [b"EHLO " + name + b"\r\n", ENVELOPE, b"DATA\r\n", MESSAGE, b"QUIT\r\n"]
    )
    assert b"501 5.5.4" in said or all(b"X: y" not in letter.trace_prefix for letter in gate.letters)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_address_brings_a_line_break_into_anything(junk: bytes) -> None:
    for command in (
        b"MAIL FROM:<" + junk + b">",
        b"RCPT TO:<" + junk + b">",
        b"MAIL FROM:<a@b.test> AUTH=" + junk,
    ):
        opening = [HELLO] if command.startswith(b"MAIL") else [HELLO, b"MAIL FROM:<x@peer.test>\r\n"]
        _, gate, _ = converse(
            Role.MX,
            [*opening, command + b"\r\n", b"RCPT TO:<jones@foo.com>\r\n", b"DATA\r\n", MESSAGE, b"QUIT\r\n"],
        )
        for letter in gate.letters:
            for text in (letter.reverse_path, *(each.address for each in letter.recipients)):
                assert not set("\r\n\0") & set(text)
            assert letter.trace_prefix.count(b"\r\nReceived") == 0
            assert not letter.trace_prefix.replace(b"\r\n\t", b"").removesuffix(b"\r\n").count(b"\n")


def test_wrong_passwords_end_the_session() -> None:
    wrong = b"AUTH PLAIN AGpvbmVzQGZvby5jb20Ad3Jvbmc=\r\n"
    said, _, _ = converse(Role.MSA, [HELLO, *[wrong] * 10])
    assert said.count(b"535 5.7.8") == 5
    assert said.endswith(b"421 4.7.0 Too many wrong passwords\r\n")


def test_a_password_is_not_taken_in_clear() -> None:
    said, _, _ = converse(
        Role.MSA, [HELLO, b"AUTH PLAIN AGEAYg==\r\n", b"QUIT\r\n"], allow_plaintext_login="never"
    )
    assert b"AUTH" not in said.split(b"538")[0]
    assert b"538 5.7.11" in said


def test_a_login_in_clear_is_forgotten_when_tls_starts() -> None:
    login = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
    mail = b"MAIL FROM:<jones@foo.com>\r\n"
    said, _, _ = converse(
        Role.MSA, [HELLO, login, b"STARTTLS\r\n", HELLO, b"VRFY jones\r\n", mail, login, mail, b"QUIT\r\n"]
    )
    codes = [line[:9] for line in said.split(b"\r\n") if not line.startswith(b"250-")]
    assert codes[2:] == [
        b"235 2.7.0",
        b"220 2.0.0",
        b"250 HELP",
        b"252 2.5.0",
        b"530 5.7.0",
        b"235 2.7.0",
        b"250 2.1.0",
        b"221 2.0.0",
        b"",
    ]


def test_chunks_are_held_within_the_budgets() -> None:
    chunk = b"BDAT 100000\r\n" + b"x" * 99_998 + b"\r\n"
    said, gate, _ = converse(Role.MX, [HELLO, ENVELOPE, *[chunk] * 12], inflight_octets=1 << 20)
    assert b"452 4.3.1" in said
    assert gate.letters == []
    said, gate, _ = converse(
        Role.MX, [HELLO, ENVELOPE, *[chunk] * 3, b"QUIT\r\n"], message_size_octets=250_000
    )
    assert said.count(b"250 2.0.0 100000 octets came") == 2
    assert b"552 5.3.4" in said
    assert said.endswith(b"closes the connection\r\n")


def test_binary_content_is_marked_in_the_letter() -> None:
    content = b"S: x\r\n\r\n\0\n"
    sent = b"MAIL FROM:<x@peer.test> BODY=BINARYMIME\r\nRCPT TO:<jones@foo.com>\r\n"
    sent += b"BDAT %d LAST\r\n" % len(content) + content
    _, gate, _ = converse(Role.MX, [HELLO, sent, b"QUIT\r\n"])
    [letter] = gate.letters
    assert (letter.content, letter.binary, letter.eight_bit) == (content, True, True)
    said, gate, _ = converse(Role.MX, [HELLO, sent, b"QUIT\r\n"], binary_mime="refused")
    assert b"501 5.5.4" in said
    assert gate.letters == []


def test_a_message_beyond_ascii_is_marked_and_traced() -> None:
    envelope = "MAIL FROM:<jürgen@bücher.example> SMTPUTF8\r\nRCPT TO:<büro@foo.com>\r\n".encode()
    _, gate, _ = converse(Role.MX, [HELLO, envelope, b"DATA\r\n", MESSAGE, b"QUIT\r\n"])
    [letter] = gate.letters
    assert letter.smtputf8
    assert letter.reverse_path == "jürgen@bücher.example"
    assert {recipient.original_address for recipient in letter.recipients} == {"büro@foo.com"}
    assert b" with UTF8SMTP id " in letter.trace_prefix
    assert letter.trace_prefix.isascii()


def test_replies_stay_in_ascii_where_more_was_not_allowed() -> None:
    login = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
    lookup = "VRFY büro SMTPUTF8\r\n".encode()
    said, _, _ = converse(Role.MSA, [HELLO, login, lookup, b"VRFY sales\r\n", b"QUIT\r\n"])
    assert "250 2.1.5 <büro@foo.com>".encode() in said
    said, _, _ = converse(Role.MSA, [HELLO, login, lookup.replace(b" SMTPUTF8", b""), b"QUIT\r\n"])
    assert said.isascii()


def test_what_the_sender_wants_to_be_told_is_in_the_letter() -> None:
    login = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
    envelope = (
        b"MAIL FROM:<jones@foo.com> RET=FULL ENVID=id+2B1\r\n"
        b"RCPT TO:<sales@foo.com> NOTIFY=SUCCESS ORCPT=rfc822;Sales@foo.com\r\n"
        b"RCPT TO:<far@elsewhere.test> NOTIFY=NEVER\r\n"
    )
    _, gate, _ = converse(Role.MSA, [HELLO, login, envelope, b"DATA\r\n", FROM_JONES, b"QUIT\r\n"])
    [letter] = gate.letters
    assert letter.request == MessageRequest(Ret.FULL, "id+2B1")
    # Success is told of once, though there are two behind the alias.
    assert {recipient.address: recipient.request.notify for recipient in letter.recipients} == {
        "jones@foo.com": Notify.SUCCESS,
        "brown@foo.com": Notify.NEVER,
        "far@elsewhere.test": Notify.NEVER,
    }
    assert letter.recipients[0].request.original_recipient == "rfc822;Sales@foo.com"


def test_strangers_are_not_asked_what_they_want_to_be_told() -> None:
    said, _, _ = converse(
        Role.MX,
        [HELLO, b"MAIL FROM:<victim@peer.test>\r\nRCPT TO:<jones@foo.com> NOTIFY=SUCCESS\r\n", b"QUIT\r\n"],
    )
    assert b"555 5.5.4" in said
    assert b"DSN" not in said
    said, _, _ = converse(Role.MX, [HELLO, b"QUIT\r\n"], dsn_roles=("mx", "msa"))
    assert b"250-DSN\r\n" in said


def test_whom_a_listed_proxy_speaks_for_is_the_client() -> None:
    preface = b"PROXY TCP6 2001:db8::77 2001:db8::1 5000 25\r\n"
    for chunks in ([preface, *WHOLE], [preface[:9], preface[9:] + HELLO, *WHOLE[1:]]):
        _, gate, _ = converse(Role.MX, chunks, proxy_networks=("127.0.0.0/8",))
        [letter] = gate.letters
        assert letter.client_address == "2001:db8::77"
        assert letter.trace_prefix.startswith(b"Received: from c.test ([IPv6:2001:db8::77])\r\n")


@pytest.mark.parametrize("first", [HELLO, b"PROXY TCP4 x\r\n", b"", b"GET / HTTP/1.0\r\n"])
def test_a_listed_proxy_must_speak_its_protocol(first: bytes) -> None:
    said, gate, connection = converse(Role.MX, [first, *WHOLE[1:]], proxy_networks=("127.0.0.0/8",))
    assert (said, gate.letters, connection.aborted) == (b"", [], True)


def test_a_stranger_may_not_say_for_whom_he_speaks() -> None:
    proxies, introducers = ("192.0.2.0/24",), ("192.0.2.0/24", "2001:db8::/32")
    chunks = [b"PROXY TCP4 192.0.2.1 192.0.2.1 1 1\r\n", b"XCLIENT ADDR=192.0.2.1\r\n", *WHOLE]
    said, gate, _ = converse(Role.MX, chunks, proxy_networks=proxies, xclient_networks=introducers)
    assert said.count(b"500 5.5.2") == 2
    assert b"XCLIENT" not in said
    assert gate.letters[0].client_address == "127.0.0.1"


def test_what_xclient_said_is_in_the_trace_and_ends_a_login() -> None:
    login = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
    told = b"XCLIENT ADDR=IPV6:2001:db8::7 NAME=spike.example\r\n"
    said, gate, _ = converse(Role.MX, [HELLO, told, *WHOLE], xclient_networks=("127.0.0.1",))
    assert gate.letters[0].trace_prefix.startswith(
        b"Received: from c.test (spike.example [IPv6:2001:db8::7])\r\n"
    )
    said, gate, _ = converse(Role.MSA, [HELLO, login, told, *WHOLE], xclient_networks=("127.0.0.1",))
    assert b"235 2.7.0" in said
    assert b"530 5.7.0" in said
    # The client is not this machine any more: no password in clear.
    assert said.count(b"250-AUTH ") == 1
    assert gate.letters == []


def test_a_new_address_has_no_name_of_the_old_one() -> None:
    told = [b"XCLIENT NAME=bank.example ADDR=192.0.2.1\r\n", b"XCLIENT ADDR=192.0.2.66\r\n"]
    _, gate, _ = converse(Role.MX, [HELLO, *told, *WHOLE], xclient_networks=("127.0.0.1",))
    assert gate.letters[0].trace_prefix.startswith(b"Received: from c.test ([192.0.2.66])\r\n")


def test_whom_a_proxy_speaks_for_may_not_say_what_the_proxy_may() -> None:
    lists: dict[str, Any] = {"proxy_networks": ("127.0.0.0/8",), "xclient_networks": ("127.0.0.0/8",)}
    told = b"XCLIENT ADDR=127.0.0.1\r\n"
    said, _, _ = converse(Role.MX, [b"PROXY TCP4 192.0.2.9 127.0.0.1 5 25\r\n", HELLO, told], **lists)
    assert said.endswith(b"500 5.5.2 Unknown command\r\n")
    said, _, _ = converse(Role.MX, [b"PROXY TCP4 127.0.0.9 127.0.0.1 5 25\r\n", HELLO, told], **lists)
    assert b"500 5.5.2" not in said


def test_octets_sent_behind_xclient_end_the_session() -> None:
    said, _, _ = converse(
        Role.MX, [HELLO, b"XCLIENT ADDR=192.0.2.1\r\nRSET\r\n"], xclient_networks=("127.0.0.1",)
    )
    assert b"554 5.5.0" in said


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.9"])
def test_networks(address: str) -> None:
    assert address in Networks(["127.0.0.0/8"])
    assert address not in Networks(["::1", "10.0.0.0/8"])
    assert "nonsense" not in Networks(["0.0.0.0/0", "::/0"])
    with pytest.raises(ValueError):
        Networks(["127.0.0.1/8"])


@pytest.mark.parametrize(("octets", "code"), [(30_000, b"250 2.0.0 Accepted"), (40_000, b"552 5.3.4")])
def test_a_header_without_measure_is_refused(octets: int, code: bytes) -> None:
    header = b"X-Long: " + b"x" * 70 + b"\r\n"
    message = header * (octets // len(header)) + b"\r\n" + b"y" * 70 + b"\r\n.\r\n"
    said, _, _ = converse(
        Role.MX, [HELLO, ENVELOPE, b"DATA\r\n", message, b"QUIT\r\n"], header_octets=32 * 1024
    )
    assert code in said


def test_who_does_not_read_our_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []

    async def drain(self: FakeConnection, timeout_seconds: float | None = None) -> None:
        waited.append(timeout_seconds)
        if len(waited) > 1:
            raise TimeoutError

    monkeypatch.setattr(FakeConnection, "drain", drain)
    with pytest.raises(TimeoutError):
        converse(Role.MX, [HELLO, b"NOOP\r\n"], command_seconds=42.0)
    assert waited == [42.0, 42.0]
