"""`python -m tests.fuzz.pop3_server [inputs] [seed]`: the POP3 server machine, fed with streams made of what it knows and junk.

Of each input: no exception, no answer that breaks a line, nothing is removed without QUIT, nobody is in without the
password, and the same outcome when the octets come one by one (where the stream does not depend on chance or on waiting
for an answer). Prints the slowest input; none may take a second.
"""

import random
import sys
import time
from collections.abc import Iterator

from mailproto.pop3 import events
from mailproto.pop3.maildrop import DropMessage, Maildrop
from mailproto.pop3.server import Pop3Server
from mailproto.pop3.states import PasswordRule, State, TlsState, Welcome
from mailproto.sasl import BEARER_MECHANISMS, EXTERNAL, MECHANISMS, TokenRefusal
from mailproto.sasl.scram import ChannelBinding
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, Offer

OFFER = Offer(b"salt of sixteen.", 4096, ())
WELCOME = Welcome("s.test", "Posthouse", (EXTERNAL, *BOUND_SCRAM_MECHANISMS, *BEARER_MECHANISMS, *MECHANISMS))
MESSAGES = [b"Subject: x\r\n\r\n.\r\n..\r\ny\r\n", b"From: \xc3\xbc <a@b>\r\n\r\nno end", b""]
ENTER = b"USER mrose\r\nPASS tanstaaf\r\n"
PIECES = [
    *(b"USER mrose", b"PASS tanstaaf", b"PASS x", b"USER ", b"PASS  ", b"user m\r\n", ENTER),
    *(b"CAPA\r\n", b"STAT\r\n", b"LIST\r\n", b"LIST 1\r\n", b"LIST 99999999999999999999\r\n", b"UIDL\r\n"),
    *(b"RETR 1\r\n", b"RETR 2\r\n", b"RETR 3\r\n", b"TOP 1 0\r\n", b"TOP 2 1\r\n", b"TOP 1 -1\r\n", b"UIDL 2\r\n"),
    *(b"DELE 1\r\n", b"DELE 2\r\n", b"DELE 1\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"STLS\r\n"),
    *(b"UTF8\r\n", b"UTF8 USER\r\n", b"LANG\r\n", b"LANG *\r\n", b"LANG de\r\n", b"XTND x\r\n"),
    *(b"AUTH\r\n", b"AUTH PLAIN\r\n", b"AUTH PLAIN AG1yb3NlAHRhbnN0YWFm\r\n", b"AUTH LOGIN\r\n", b"AUTH X Y Z\r\n"),
    *(b"bXJvc2U=\r\n", b"dGFuc3RhYWY=\r\n", b"*\r\n", b"=\r\n", b"AUTH EXTERNAL =\r\n", b"AUTH EXTERNAL bXJvc2U=\r\n"),
    *(b"AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHQBAQ==\r\n", b"biwsAWF1dGg9QmVhcmVyIHQBAQ==\r\n", b"AQ==\r\n"),
    *(b"AUTH SCRAM-SHA-256 biwsbj1hLHI9Yg==\r\n", b"AUTH SCRAM-SHA-256-PLUS\r\n", b"biwsbj1hLHI9Yg==\r\n"),
    *(b"\r\n", b"\n", b"\r", b" ", b"\0", b"\xff\xfe", b"\xc3\xbc", b"x" * 300, b"\r\n.\r\n"),
]  # fmt: skip
# Longer than any line may be; rare, for what it costs octet by octet.
LONG = b"y" * 13_000
# Nonces are chance; what stands behind STLS in one piece is forgotten.
NOT_AGAIN = (b"SCRAM", b"STLS")
Outcome = tuple[bytes, tuple[int, ...], bool]


def play(segments: list[bytes]) -> Outcome:
    """What was said, which messages were removed, and whether anybody came in."""
    machine = Pop3Server(WELCOME, TlsState.OFFERED, PasswordRule.PLAINTEXT_ALLOWED)
    machine.has_certificate = True
    machine.channel_binding = ChannelBinding({"tls-server-end-point": b"digest"})
    drop = Maildrop.of([DropMessage(len(each), b"%d" % at) for at, each in enumerate(MESSAGES, 1)])
    said, is_in = machine.data_to_send(), False
    removed: tuple[int, ...] = ()
    for segment in segments:
        machine.receive(segment)
        while (event := machine.next_event()) is not None:
            match event:
                case events.Login(login, password):
                    if (login, password) == ("mrose", "tanstaaf"):
                        is_in = True
                        machine.login_succeeded(drop)
                    else:
                        machine.login_failed(events.LoginFailure.REFUSED)
                case events.TokenAsked():
                    machine.token_refused(TokenRefusal())
                case events.ScramAsked():
                    machine.scram_offered(OFFER)
                case events.ScramProven() | events.CertificateAsked():
                    machine.login_failed(events.LoginFailure.UNAVAILABLE)
                case events.StartTls():
                    machine.tls_started()
                case events.Retrieve():
                    machine.message_started()
                    machine.message_data(MESSAGES[event.number - 1])
                    machine.message_ended()
                case events.Update():
                    removed = event.deleted
                    machine.updated()
                case events.Close():
                    return said + machine.data_to_send(), removed, is_in
                case events.Flush():
                    pass
            said += machine.data_to_send()
        said += machine.data_to_send()
        assert is_in or machine.state is not State.TRANSACTION
    return said, removed, is_in


def check(stream: bytes) -> None:
    """Raises AssertionError, or whatever the machine raises."""
    outcome = said, removed, is_in = play([stream])
    for line in said.split(b"\r\n"):
        assert not set(line) & set(b"\r\n\0"), line
    words = stream.upper()
    if removed:
        assert is_in
        assert b"QUIT" in words
        assert b"DELE" in words
    if any(word in words for word in NOT_AGAIN):
        return
    assert play([stream[at : at + 1] for at in range(len(stream))]) == outcome


def streams(inputs: int, seed: int) -> Iterator[bytes]:
    """As many, about half of them with a login before the rest."""
    chance = random.Random(seed)
    for _ in range(inputs):
        pieces = [chance.choice(PIECES) for _ in range(chance.randrange(1, 14))]
        if chance.random() < 0.5:
            pieces = [ENTER, *pieces]
        if chance.random() < 0.002:
            pieces.insert(chance.randrange(len(pieces) + 1), LONG)
        stream = bytearray(b"".join(pieces))
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            stream[chance.randrange(len(stream))] = chance.randrange(256)
        yield bytes(stream)


def main(inputs: int, seed: int) -> None:
    """As many inputs."""
    slowest, slow_stream, begun, entered = 0.0, b"", time.perf_counter(), 0
    for number, stream in enumerate(streams(inputs, seed)):
        started = time.perf_counter()
        try:
            check(stream)
        except Exception:
            print(f"input {number} of seed {seed}: {stream!r}")
            raise
        entered += stream.startswith(ENTER)
        if (took := time.perf_counter() - started) > slowest:
            slowest, slow_stream = took, stream
    print(
        f"{inputs} inputs in {time.perf_counter() - begun:.0f} s, {entered} with a login; "
        f"slowest {slowest * 1000:.1f} ms: {slow_stream[:60]!r}"
    )
    assert slowest < 1.0, "an input took a second"


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["1000000", "1"][len(sys.argv) - 1 :])))
