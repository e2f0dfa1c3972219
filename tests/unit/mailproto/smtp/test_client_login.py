"""The client at hosts that want to know who we are, and at those that deliver themselves (LMTP)."""

from base64 import b64encode

import pytest
from mailproto.smtp.client import (
    Asked,
    ClientMachine,
    ContentWanted,
    Dialect,
    Event,
    Failed,
    Finished,
    Outgoing,
    Ready,
)
from mailproto.smtp.client_login import Login
from mailproto.smtp.reply import Reply

OUT = Outgoing("from@x.test", ("a@y.test", "b@y.test", "c@y.test"), 10)
WHO = Login("näme", "pass wort")


def play(machine: ClientMachine, *answers: bytes) -> tuple[bytes, list[Event]]:
    """What was said, and what happened."""
    said, events = machine.output(), []
    for answer in answers:
        machine.feed(answer)
        while (event := machine.next_event()) is not None:
            events.append(event)
            if isinstance(event, Ready):
                machine.send(OUT)
            elif isinstance(event, ContentWanted):
                machine.content_sent()
        said += machine.output()
    return said, events


def client(login: Login | None = None, dialect: Dialect = Dialect.SMTP) -> ClientMachine:
    return ClientMachine("us.test", wants_tls=False, login=login, dialect=dialect)


def test_plain_in_one_line() -> None:
    said, events = play(
        client(WHO), b"220 hi\r\n", b"250-y\r\n250 AUTH LOGIN PLAIN\r\n", b"235 2.7.0 welcome\r\n"
    )
    assert b"AUTH PLAIN " + b64encode("\0näme\0pass wort".encode()) + b"\r\n" in said
    assert isinstance(events[-1], Ready)
    assert said.index(b"AUTH") < said.index(b"MAIL FROM")


def test_login_line_by_line() -> None:
    answers = (
        b"220 hi\r\n",
        b"250-y\r\n250 AUTH LOGIN\r\n",
        b"334 VXNlcm5hbWU6\r\n",
        b"334 UGFzc3dvcmQ6\r\n",
    )
    said, events = play(client(WHO), *answers, b"235 ok\r\n")
    assert said.split(b"\r\n")[1:4] == [
        b"AUTH LOGIN",
        b64encode("näme".encode()),
        b64encode(b"pass wort"),
    ]
    assert isinstance(events[-1], Ready)


@pytest.mark.parametrize(
    ("hello", "answers", "code"),
    [
        (b"250 y\r\n", (), 535),
        (b"250-y\r\n250 AUTH CRAM-MD5\r\n", (), 535),
        (b"500 what?\r\n", (b"250 y\r\n",), 535),
        (b"250-y\r\n250 AUTH PLAIN\r\n", (b"535 5.7.8 no\r\n",), 535),
        (b"250-y\r\n250 AUTH PLAIN\r\n", (b"454 4.7.0 later\r\n",), 454),
        (b"250-y\r\n250 AUTH PLAIN\r\n", (b"334 \r\n",), 334),
    ],
)
def test_who_is_not_let_in_sends_nothing(hello: bytes, answers: tuple[bytes, ...], code: int) -> None:
    said, events = play(client(WHO), b"220 hi\r\n", hello, *answers)
    assert isinstance(events[-1], Failed)
    assert (events[-1].asked, events[-1].reply.code) == (Asked.AUTH, code)
    assert b"MAIL" not in said


def test_no_password_in_clear_where_tls_is_wanted() -> None:
    machine = ClientMachine("us.test", wants_tls=True, login=WHO)
    said, events = play(machine, b"220 hi\r\n", b"250-y\r\n250 AUTH PLAIN\r\n")
    assert isinstance(events[-1], Failed)
    assert b"AUTH" not in said


LMTP_START = (
    b"220 hi\r\n",
    b"250-y\r\n250 PIPELINING\r\n",
    b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n",
)


def test_lmtp_answers_for_each_recipient() -> None:
    answers = (*LMTP_START, b"250 2.0.0 filed\r\n", b"452 4.2.2 full\r\n")
    machine = client(dialect=Dialect.LMTP)
    said, events = play(machine, *answers)
    assert said.startswith(b"LHLO us.test\r\n")
    assert isinstance(events[-1], Finished)
    assert [reply.code for reply in events[-1].replies] == [250, 550, 452]


def test_lmtp_that_closes_half_way_has_told_some() -> None:
    machine = client(dialect=Dialect.LMTP)
    _, events = play(machine, *LMTP_START, b"250 2.0.0 filed\r\n421 4.3.2 closing\r\n")
    assert isinstance(events[-1], Finished)
    assert [reply.code for reply in events[-1].replies] == [250, 550, 421]
    assert not machine.is_open


def test_lmtp_that_is_cut_off_has_told_some() -> None:
    machine = client(dialect=Dialect.LMTP)
    play(machine, *LMTP_START, b"250 2.0.0 filed\r\n")
    told = machine.broken_off(Reply.of(451, "4.4.2", "cut"))
    assert told is not None
    assert [reply.code for reply in told.replies] == [250, 550, 451]
    assert not machine.is_open
    assert machine.broken_off(Reply.of(451, "4.4.2", "cut")) is None


def test_lmtp_that_ends_in_nonsense_has_told_some() -> None:
    _, events = play(client(dialect=Dialect.LMTP), *LMTP_START, b"250 2.0.0 filed\r\nwhat?\r\n")
    assert isinstance(events[-1], Finished)
    assert [reply.code for reply in events[-1].replies] == [250, 550, 451]


def test_nobody_was_told_before_the_first_answer() -> None:
    for dialect in Dialect:
        machine = client(dialect=dialect)
        play(machine, LMTP_START[0], *LMTP_START[1:])
        assert machine.broken_off(Reply.of(451, "4.4.2", "cut")) is None


def test_lmtp_is_not_greeted_as_smtp() -> None:
    said, events = play(client(dialect=Dialect.LMTP), b"220 hi\r\n", b"500 what?\r\n")
    assert isinstance(events[-1], Failed)
    assert b"HELO" not in said.replace(b"LHLO", b"")
