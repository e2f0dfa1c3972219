"""What one message leaves behind for the next of its session, and what of a peer's words is kept."""

import pytest
from mailproto.smtp.client import ClientMachine, ContentWanted, Event, Finished, Outgoing, Ready
from mailproto.smtp.client_replies import LINES, ReplyInvalid, ReplyReader

OPENING = (b"220 hi\r\n", b"250-s.test\r\n250 PIPELINING\r\n")
OUT = Outgoing("a@x.test", ("b@y.test",), 100)


def play(machine: ClientMachine, *answers: bytes) -> tuple[bytes, list[Event]]:
    """What was said, and what happened; one message is sent."""
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


@pytest.mark.parametrize(
    "answers",
    [
        b"550 no\r\n503 first MAIL\r\n503 first RCPT\r\n",
        b"250 ok\r\n550 no such user\r\n503 nobody\r\n",
        b"250 ok\r\n250 ok\r\n354 go\r\n554 spam\r\n",
    ],
    ids=["mail", "recipients", "content"],
)
def test_a_refused_message_leaves_nothing_for_the_next_one(answers: bytes) -> None:
    """Else its recipients would get the next one's content, or the next MAIL would be out of order."""
    machine = ClientMachine("us.test", wants_tls=False)
    said, events = play(machine, *OPENING, *answers.splitlines(keepends=True))
    assert isinstance(events[-1], Finished)
    assert said.endswith(b"RSET\r\n")
    machine.feed(b"250 flushed\r\n")
    assert machine.next_event() is None
    assert machine.is_open
    machine.send(OUT)
    assert machine.output().startswith(b"MAIL FROM:")


def test_a_message_that_was_taken_needs_no_reset() -> None:
    machine = ClientMachine("us.test", wants_tls=False)
    said, _ = play(machine, *OPENING, b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 taken\r\n")
    assert b"RSET" not in said
    assert machine.is_open
    assert machine.waits_for is None


def test_who_takes_data_for_nobody_gets_no_other_message() -> None:
    """RFC 2920 §3.1: the empty message has an answer of its own, which must not be taken for the next MAIL's."""
    machine = ClientMachine("us.test", wants_tls=False)
    said, events = play(machine, *OPENING, b"250 ok\r\n550 no\r\n354 go\r\n")
    assert said.endswith(b"DATA\r\n.\r\n")
    assert isinstance(events[-1], Finished)
    assert [reply.code for reply in events[-1].replies] == [550]
    assert not machine.is_open


def test_of_a_peers_words_only_what_can_be_shown_is_kept() -> None:
    """They go into logs, rows and notices: no control characters, no escape sequences, nothing in 8 bits."""
    reader = ReplyReader()
    reader.feed(b"550-5.1.1 \x1b[31mno\x00 s\xffuch\r mailbox\x7f\r\n550 5.1.1 \xc2\x9b2Jgone\r\n")
    reply = reader.next_reply()
    assert reply is not None
    assert reply.enhanced == "5.1.1"
    assert reply.lines == ("?[31mno? s?uch? mailbox?", "??2Jgone")


def test_a_reply_has_an_end() -> None:
    reader = ReplyReader()
    reader.feed(b"250-x\r\n" * LINES + b"250 y\r\n")
    with pytest.raises(ReplyInvalid):
        reader.next_reply()
    reader = ReplyReader()
    reader.feed(b"250-x\r\n" * (LINES - 1) + b"250 y\r\n")
    assert reader.next_reply() is not None
