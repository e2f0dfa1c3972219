"""The SMTP client machine: every class of reply, with and without pipelining, at every split."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailproto.smtp.body import BodyType, Transfer
from mailproto.smtp.client import (
    Asked,
    ClientMachine,
    ContentWanted,
    Event,
    Failed,
    Finished,
    Outgoing,
    Ready,
    TlsWanted,
)
from mailproto.smtp.client_content import BareLineBreak, encode, encode_content
from mailproto.smtp.client_replies import ReplyInvalid, ReplyReader
from mailproto.smtp.reply import Charset

EHLO = b"250-s.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 8BITMIME\r\n"
PLAIN_EHLO = b"250 s.test\r\n"
OUT = Outgoing("a@x.test", ("b@y.test", "c@y.test"), 100)


class Peer:
    """Plays a server: a list of (what must have been said, what is answered)."""

    def __init__(self, *answers: bytes, wants_tls: bool = False, outgoing: Outgoing = OUT) -> None:
        self.machine = ClientMachine("me.test", wants_tls=wants_tls)
        self.answers = list(answers)
        self.outgoing = outgoing
        self.said = bytearray()
        self.events: list[Event] = []

    def run(self, split: int = 0) -> "Peer":
        for answer in self.answers:
            chunks = [answer] if not split else [answer[n : n + split] for n in range(0, len(answer), split)]
            for chunk in chunks:
                self.machine.feed(chunk)
                while (event := self.machine.next_event()) is not None:
                    self.events.append(event)
                    if isinstance(event, Ready):
                        if not any(isinstance(each, Finished) for each in self.events):
                            self.machine.send(self.outgoing)
                    elif isinstance(event, ContentWanted):
                        self.said += self.machine.output()
                        self.said += b"<content>" if event.transfer is Transfer.DATA else b"<chunk>"
                        self.machine.content_sent()
                    elif isinstance(event, TlsWanted):
                        self.said += self.machine.output() + b"<tls>"
                        self.machine.tls_started()
                    elif isinstance(event, Failed):
                        return self
                self.said += self.machine.output()
        return self

    @property
    def codes(self) -> list[int]:
        [finished] = [event for event in self.events if isinstance(event, Finished)]
        return [reply.code for reply in finished.replies]


GROUP = b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"


def test_a_pipelined_transaction() -> None:
    peer = Peer(b"220 hi\r\n", EHLO, GROUP, b"250 2.0.0 taken\r\n").run()
    assert peer.codes == [250, 250]
    assert peer.said == (
        b"EHLO me.test\r\nMAIL FROM:<a@x.test> SIZE=100\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n<content>"
    )


def test_without_pipelining_each_command_waits() -> None:
    peer = Peer(b"220 hi\r\n", PLAIN_EHLO)
    peer.run()
    assert peer.said.endswith(b"MAIL FROM:<a@x.test>\r\n")
    peer.answers = [b"250 ok\r\n"]
    peer.run()
    assert peer.said.endswith(b"RCPT TO:<b@y.test>\r\n")


@pytest.mark.parametrize(
    ("group", "last", "codes"),
    [
        (b"250 a\r\n550 5.1.1 no\r\n250 b\r\n354 go\r\n", b"250 c\r\n", [550, 250]),
        (b"250 a\r\n450 later\r\n550 no\r\n503 none\r\n", b"", [450, 550]),
        (b"250 a\r\n450 later\r\n550 no\r\n354 go\r\n", b"554 none\r\n", [450, 550]),
        (b"451 later\r\n503 x\r\n503 x\r\n503 x\r\n", b"", [451, 451]),
        (b"552 too big\r\n503 x\r\n503 x\r\n503 x\r\n", b"", [552, 552]),
        (b"250 a\r\n250 b\r\n250 c\r\n451 no\r\n", b"", [451, 451]),
        (GROUP, b"452 full\r\n", [452, 452]),
        (GROUP, b"554 5.7.1 spam\r\n", [554, 554]),
        (b"250 a\r\n250 b\r\n250 c\r\n250 strange\r\n", b"", [451, 451]),
    ],
)
def test_each_recipient_gets_the_reply_that_decided(group: bytes, last: bytes, codes: list[int]) -> None:
    for split in (0, 1, 3, 7):
        assert Peer(b"220 hi\r\n", EHLO, group, last).run(split).codes == codes


def test_nobody_accepted_and_data_all_the_same_sends_an_empty_end() -> None:
    peer = Peer(b"220 hi\r\n", EHLO, b"250 a\r\n550 no\r\n550 no\r\n354 go\r\n", b"554 none\r\n").run()
    assert b"DATA\r\n.\r\n" in peer.said
    assert b"<content>" not in peer.said


def test_an_old_server_is_told_helo() -> None:
    peer = Peer(b"220 hi\r\n", b"502 what\r\n", b"250 s.test\r\n").run()
    assert b"HELO me.test\r\n" in peer.said
    assert Ready({}) in peer.events


@pytest.mark.parametrize("greeting", [b"554 no\r\n", b"421 later\r\n", b"hello\r\n", b"x" * 5000])
def test_a_session_that_cannot_begin_is_over(greeting: bytes) -> None:
    peer = Peer(greeting).run()
    assert isinstance(peer.events[-1], Failed)
    assert peer.events[-1].asked is Asked.GREETING


def test_421_ends_the_session_wherever_it_comes() -> None:
    for answers in ([EHLO, b"421 bye\r\n"], [EHLO, GROUP, b"421 bye\r\n"]):
        peer = Peer(b"220 hi\r\n", *answers).run()
        failed = peer.events[-1]
        assert isinstance(failed, Failed)
        assert failed.reply.code == 421


STARTTLS = b"250-s.test\r\n250 STARTTLS\r\n"


def test_tls_is_started_where_it_is_offered_and_ehlo_said_again() -> None:
    peer = Peer(b"220 hi\r\n", STARTTLS, b"220 go\r\n", EHLO, wants_tls=True).run()
    assert peer.said.startswith(b"EHLO me.test\r\nSTARTTLS\r\n<tls>EHLO me.test\r\nMAIL")


def test_octets_in_clear_after_starttls_end_the_session() -> None:
    peer = Peer(b"220 hi\r\n", STARTTLS, b"220 go\r\n250 injected\r\n", wants_tls=True).run()
    assert isinstance(peer.events[-1], Failed)
    assert b"MAIL" not in peer.said


def test_tls_offered_and_refused_goes_on_in_clear() -> None:
    peer = Peer(b"220 hi\r\n", STARTTLS, b"454 not now\r\n", wants_tls=True).run()
    assert b"MAIL FROM" in peer.said


def test_what_the_server_cannot_take_is_not_sent() -> None:
    eight = Outgoing("a@x.test", ("b@y.test",), 10, BodyType.EIGHT_BIT)
    assert Peer(b"220 hi\r\n", PLAIN_EHLO, outgoing=eight).run().codes == [554]
    big = Outgoing("a@x.test", ("b@y.test",), 5000)
    peer = Peer(b"220 hi\r\n", EHLO, outgoing=big).run()
    assert peer.codes == [552]
    assert b"MAIL" not in peer.said


BINARY = Outgoing("a@x.test", ("b@y.test", "c@y.test"), 100, BodyType.BINARY)
BINARY_EHLO = b"250-s.test\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 PIPELINING\r\n"


@pytest.mark.parametrize("ehlo", [BINARY_EHLO, BINARY_EHLO.replace(b"PIPELINING", b"HELP")])
def test_binary_content_goes_as_a_chunk_to_those_who_were_accepted(ehlo: bytes) -> None:
    answers = [b"220 hi\r\n", ehlo, b"250 a\r\n", b"550 no\r\n", b"250 b\r\n", b"250 taken\r\n"]
    peer = Peer(*answers, outgoing=BINARY).run()
    assert peer.codes == [550, 250]
    assert b"MAIL FROM:<a@x.test> BODY=BINARYMIME\r\n" in peer.said
    assert peer.said.endswith(b"RCPT TO:<c@y.test>\r\n<chunk>")
    assert b"DATA" not in peer.said


def test_nobody_accepted_means_no_chunk() -> None:
    answers = [b"220 hi\r\n", BINARY_EHLO, b"250 a\r\n550 no\r\n450 later\r\n"]
    peer = Peer(*answers, outgoing=BINARY).run()
    assert peer.codes == [550, 450]
    assert b"<chunk>" not in peer.said


@pytest.mark.parametrize("missing", [b"CHUNKING", b"BINARYMIME"])
def test_binary_content_is_not_sent_to_those_who_do_not_take_it(missing: bytes) -> None:
    peer = Peer(b"220 hi\r\n", BINARY_EHLO.replace(missing, b"X"), outgoing=BINARY).run()
    assert peer.codes == [554, 554]
    assert b"MAIL" not in peer.said


def test_a_chunk_is_the_message_as_it_is() -> None:
    message = b"S: x\r\n\r\n\n.\n\r\n.\r\n\x00"
    assert encode(message, Transfer.BDAT) == b"BDAT %d LAST\r\n" % len(message) + message


UTF8_EHLO = b"250-s.test\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n"


@pytest.mark.parametrize(
    ("outgoing", "refusal"),
    [
        (Outgoing("jürgen@x.test", ("b@y.test",), 9), "5.6.7"),
        (Outgoing("a@x.test", ("b@y.test", "büro@y.test"), 9), "5.6.7"),
        (Outgoing("a@x.test", ("b@y.test",), 9, header_charset=Charset.UTF_8), "5.6.9"),
    ],
)
def test_what_is_not_ascii_goes_only_to_those_who_take_it(outgoing: Outgoing, refusal: str) -> None:
    peer = Peer(b"220 hi\r\n", UTF8_EHLO, outgoing=outgoing).run()
    assert f"MAIL FROM:<{outgoing.reverse_path}> SMTPUTF8\r\n".encode() in peer.said
    for path in outgoing.forward_paths:
        assert f"RCPT TO:<{path}>\r\n".encode() in peer.said
    for without in (EHLO, PLAIN_EHLO):
        peer = Peer(b"220 hi\r\n", without, outgoing=outgoing).run()
        [finished] = [event for event in peer.events if isinstance(event, Finished)]
        assert {reply.enhanced for reply in finished.replies} == {refusal}
        assert all(reply.code // 100 == 5 for reply in finished.replies)
        assert b"MAIL" not in peer.said


def test_what_is_ascii_does_not_ask_for_more() -> None:
    assert b"SMTPUTF8" not in Peer(b"220 hi\r\n", UTF8_EHLO, GROUP).run().said


@given(st.lists(st.integers(1, 40), max_size=30))
def test_every_split_of_the_answers_has_the_same_events(cuts: list[int]) -> None:
    whole = b"220 hi\r\n" + EHLO + GROUP + b"250 2.0.0 taken\r\n"
    reference = Peer(b"220 hi\r\n", EHLO, GROUP, b"250 2.0.0 taken\r\n").run()
    chunks, position = [], 0
    for cut in cuts:
        chunks.append(whole[position : position + cut])
        position += cut
    chunks.append(whole[position:])
    # Answers that come before they are asked for are held until they are.
    assert Peer(*chunks).run().events == reference.events


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_junk_ends_or_waits_and_is_bounded(junk: bytes) -> None:
    reader = ReplyReader()
    try:
        for _ in range(20):
            reader.feed(junk)
            while reader.next_reply() is not None:
                pass
            assert len(reader._buffer) <= 2048 + len(junk)
    except ReplyInvalid:
        return


@given(st.lists(st.sampled_from([b"text", b".", b"..", b".x", b""]), max_size=10))
def test_content_is_read_back_as_it_was(lines: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    encoded = encode_content(message)
    assert encoded.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in encoded[:-3] + b"x"
    unstuffed = (b"\r\n" + encoded[:-3]).replace(b"\r\n.", b"\r\n")[2:]
    assert unstuffed == message


@pytest.mark.parametrize("message", [b"a\nb\r\n", b"a\rb\r\n", b"\r\n.\n.\r\n", b"a\r\r\n"])
def test_no_bare_cr_or_lf_ever_leaves(message: bytes) -> None:
    with pytest.raises(BareLineBreak):
        encode_content(message)


def test_a_line_break_in_an_address_never_becomes_a_command() -> None:
    machine = ClientMachine("me.test", wants_tls=False)
    machine.feed(b"220 hi\r\n")
    machine.next_event()
    machine.feed(PLAIN_EHLO)
    assert isinstance(machine.next_event(), Ready)
    with pytest.raises(ValueError, match="line break"):
        machine.send(Outgoing("a@x.test>\r\nRCPT TO:<evil@y.test", ("b@y.test",), 1))
