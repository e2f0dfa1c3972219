"""Attacks on the dialogue, judged by what is stored, what is said and what is held."""

import itertools
import tracemalloc

import pytest
from directoryclient import Resolution
from hypothesis import given
from hypothesis import strategies as st
from mailproto.smtp.server import ServerMachine
from mailproto.smtp.server_config import ServerConfig
from smtp_gateway.core.roles import Role

from tests.support.fake_gateway import FakeDirectory, FakeGate, converse

HELLO = b"EHLO mx.peer.test\r\n"
MAIL = b"MAIL FROM:<x@peer.test>\r\n"
JONES = b"RCPT TO:<jones@foo.com>\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
WHOLE = (b"DATA\r\n", b"From: jones@foo.com\r\n\r\nx\r\n.\r\n")

# Every place in which a client says something that we keep, write down or pass on.
PLACES = [
    (b"EHLO {}\r\n", MAIL, JONES),
    (b"EHLO [{}]\r\n", MAIL, JONES),
    (b"HELO {}\r\n", MAIL, JONES),
    (HELLO, b"MAIL FROM:<{}@peer.test>\r\n", JONES),
    (HELLO, b'MAIL FROM:<"{}"@peer.test>\r\n', JONES),
    (HELLO, b"MAIL FROM:<x@{}.test>\r\n", JONES),
    (HELLO, b"MAIL FROM:<x@peer.test> AUTH={}\r\n", JONES),
    (HELLO, b"MAIL FROM:<x@peer.test> SIZE={}\r\n", JONES),
    (HELLO, b"MAIL FROM:<x@peer.test> BODY={}\r\n", JONES),
    (HELLO, b"MAIL FROM:<x@peer.test> {}\r\n", JONES),
    (HELLO, MAIL, b"RCPT TO:<{}@foo.com>\r\n"),
    (HELLO, MAIL, b'RCPT TO:<"{}"@foo.com>\r\n'),
    (HELLO, MAIL, b"RCPT TO:<jones@{}>\r\n"),
    (HELLO, MAIL, b"RCPT TO:<jones@foo.com> {}\r\n"),
    (HELLO, b"NOOP {}\r\n", b"HELP {}\r\n", b"VRFY {}\r\n", b"EXPN {}\r\n", b"{}\r\n", MAIL, JONES),
    (HELLO, b"XCLIENT NAME={}\r\n", b"XCLIENT ADDR={}\r\n", b"XCLIENT PORT={}\r\n", HELLO, MAIL, JONES),
]
# The same of a user, who may ask to be told.
OF_USERS = [
    (b"MAIL FROM:<jones@foo.com> ENVID={}\r\n", JONES),
    (b"MAIL FROM:<jones@foo.com> RET={}\r\n", JONES),
    (b"MAIL FROM:<jones@foo.com> AUTH={}\r\n", JONES),
    (b"MAIL FROM:<jones@foo.com> BY={}\r\n", JONES),
    (b"MAIL FROM:<jones@foo.com> HOLDUNTIL={}\r\n", JONES),
    (b"MAIL FROM:<jones@foo.com> HOLDFOR={}\r\n", JONES),
    (b"MAIL FROM:<jones@foo.com> MT-PRIORITY={}\r\n", JONES),
    (b"VRFY {}\r\n", b"EXPN {}@foo.com\r\n", b"AUTH {}\r\n", b"MAIL FROM:<jones@foo.com>\r\n", JONES),
    (b"MAIL FROM:<jones@foo.com>\r\n", b"RCPT TO:<jones@foo.com> ORCPT=rfc822;{}\r\n"),
    (b"MAIL FROM:<jones@foo.com>\r\n", b"RCPT TO:<jones@foo.com> ORCPT={};x\r\n"),
    (b"MAIL FROM:<jones@foo.com>\r\n", b"RCPT TO:<jones@foo.com> NOTIFY={}\r\n"),
]
EVIL = [
    *(b"a\0b", b"a\rb", b"a\nb", b"a\rBcc: victim@far.test", b"a\nX-Evil: 1\n\nbody", b"\r\r\n\n\0"),
    # Decoded, these are line breaks and NUL.
    *(
        b"a+0D+0AX-Evil:+201",
        b"a+0Ab",
        b"a+00b",
        b"+0D",
        b"+0d+0a.+0d+0a",
        b"a+0D+0ARCPT+20TO:<victim@far.test>",
    ),
    *(b"a\x0bb", b"a\x7fb", b"a\x1b[31mb", b"a\xc2\x85b", b"a\xe2\x80\xa8b"),
]


def clean(gate: FakeGate) -> bool:
    """Whether what is stored has the lines of ours and no others."""
    for letter in gate.letters:
        lines = letter.trace_prefix.split(b"\r\n")
        texts = [
            letter.reverse_path,
            letter.helo,
            letter.request.envelope_id,
            *(each.address for each in letter.recipients),
        ]
        texts += [each.request.original_recipient for each in letter.recipients]
        if lines[-1] or any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
            return False
        if any(not (line.startswith((b"Received: ", b"\t"))) for line in lines[:-1]):
            return False
        if any(character in text for text in texts for character in "\r\n\0\x0b\x7f\x1b"):
            return False
        if {each.account_id for each in letter.recipients} != {"id-jones@foo.com"}:
            return False
    return True


def are_replies(said: bytes) -> bool:
    """Whether every line is one of ours: nothing that was said came back as a line of its own."""
    return all(
        line[:3].isdigit() and not set(line) & set(b"\r\n\0\x0b\x1b\x7f") for line in said.split(b"\r\n")[:-1]
    )


@pytest.mark.parametrize("evil", EVIL)
def test_no_line_break_and_no_nul_gets_through_in_any_place(evil: bytes) -> None:
    for place in PLACES:
        chunks = [line.replace(b"{}", evil) for line in place]
        # What follows must be answered as if nothing had been: a line of its own was made of nothing.
        # XCLIENT is taken from here, so that its values are looked at.
        said, gate, _ = converse(Role.MX, [*chunks, *WHOLE], xclient_networks=("127.0.0.1",))
        assert clean(gate), (place, said)
        assert are_replies(said), (place, said)
        assert b"victim" not in b"".join(each.content for each in gate.letters)
    for place in OF_USERS:
        chunks = [line.replace(b"{}", evil) for line in place]
        said, gate, _ = converse(Role.MSA, [HELLO, LOGIN, *chunks, *WHOLE], dsn_roles=("msa",))
        assert clean(gate), (place, said)
        assert are_replies(said), (place, said)


@given(st.binary(max_size=60), st.sampled_from(PLACES))
def test_no_octets_in_any_place_make_a_line_of_what_is_stored(junk: bytes, place: tuple[bytes, ...]) -> None:
    _, gate, _ = converse(Role.MX, [*(line.replace(b"{}", junk) for line in place), *WHOLE])
    assert clean(gate)


def held_by(states: tuple[bytes, ...], octets: int) -> int:
    """How much more memory is held, at most, while a session is fed so many octets without a line break."""
    machine = ServerMachine(
        ServerConfig("gate.test", 50 << 20, errors_allowed=20), offers_tls=False, offers_auth=False
    )
    machine.greet()
    for each in states:
        machine.feed(each)
        while machine.next_event() is not None:
            pass
    machine.output()
    piece = b"x" * (64 * 1024)
    tracemalloc.start()
    try:
        for _ in range(octets // len(piece)):
            machine.feed(piece)
            while machine.next_event() is not None:
                pass
            machine.output()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("states", [(), (HELLO,), (HELLO, b"NOOP ")])
def test_100_mb_without_a_newline_cost_no_memory(states: tuple[bytes, ...]) -> None:
    assert held_by(states, 100 << 20) < 2 << 20


class Counting(FakeDirectory):
    """How often it was asked what."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, addresses: list[str]) -> list[Resolution]:  # type: ignore[override]
        self.asked += addresses
        return await super().resolve(addresses)


def test_harvesters_learn_nothing_from_the_work_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same questions are asked for who is there and who is not, and the errors are bounded."""
    counts = []
    for local in (b"jones", b"nobody"):
        counting = Counting()
        monkeypatch.setattr("tests.support.fake_gateway.FakeDirectory", lambda counting=counting: counting)
        converse(Role.MX, [HELLO, MAIL, *[b"RCPT TO:<" + local + b"@foo.com>\r\n"] * 10])
        counts.append(len(counting.asked))
    assert counts[0] == counts[1] == 10
    said, _, _ = converse(Role.MX, [HELLO, MAIL, *[b"RCPT TO:<n%d@foo.com>\r\n" % n for n in range(100)]])
    assert said.count(b"550 5.1.1") == 21
    assert said.endswith(b"421 4.7.0 Too many errors\r\n")


FORGED = [
    # Whatever can be refused is refused before 250: nobody is told of it later.
    (b"RCPT TO:<nobody@foo.com>\r\n", WHOLE[1]),
    (b"RCPT TO:<victim@far.test>\r\n", WHOLE[1]),
    (JONES, b"From: a@b.test\r\nFrom: c@d.test\r\n\r\nx\r\n.\r\n"),
    (JONES, b" leading white space\r\n\r\nx\r\n.\r\n"),
    (JONES, b"Received: x\r\n" * 51 + b"\r\nx\r\n.\r\n"),
    (JONES, b"X: " + b"y" * 70_000 + b"\r\n\r\nx\r\n.\r\n"),
    (JONES, b"From: a@b.test\r\n\r\nbare\nline\r\n.\r\n"),
]


def test_what_forged_senders_send_in_vain_leaves_nothing_that_could_bounce() -> None:
    """A slice of 10^4; tests/e2e/test_front_door.py looks into the queue."""
    senders = (b"MAIL FROM:<victim%d@far.test>\r\n" % number for number in itertools.count())
    stored = []
    for sender, (rcpt, content) in zip(senders, FORGED * 30, strict=False):
        said, gate, _ = converse(Role.MX, [HELLO, sender, rcpt, b"DATA\r\n", content], header_octets=65_536)
        assert said.splitlines()[-1][:1] == b"5", said
        stored += gate.letters
    assert not stored


def test_a_users_wish_to_be_told_of_success_is_not_taken_from_strangers() -> None:
    said, gate, _ = converse(Role.MX, [HELLO, MAIL, b"RCPT TO:<jones@foo.com> NOTIFY=SUCCESS\r\n", *WHOLE])
    assert b"555 5.5.4" in said
    assert not gate.letters
