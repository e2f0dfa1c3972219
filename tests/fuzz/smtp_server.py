"""`python -m tests.fuzz.smtp_server [inputs] [seed]`: the SMTP server machine, fed with streams made of what it knows and junk.

Of each input: no exception, no answer that breaks a line, bounded memory, what was accepted is what was asked for, and
the same outcome when the octets come one by one as when they come at once, or line by line where an answer must be waited
for. Prints the
slowest input; none may take a second.
"""

import random
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from mailproto.sasl import BEARER_MECHANISMS, MECHANISMS, TokenRefusal
from mailproto.sasl.scram import ChannelBinding
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, Offer
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server import ServerMachine
from mailproto.smtp.server_config import Binary, DeliverBy, Dsn, FutureRelease, Priorities, ServerConfig

OK, GO, NO = Reply.of(250, "2.0.0", "Ok"), Reply.of(354, "", "Go on"), Reply.of(550, "5.0.0", "No")
OFFER = Offer(b"salt of sixteen.", 4096, ())
CONFIG = ServerConfig(
    "s.test",
    4096,
    (*BOUND_SCRAM_MECHANISMS, *BEARER_MECHANISMS, *MECHANISMS),
    errors_allowed=30,
    binary=Binary.OFFERED,
    dsn=Dsn.OFFERED,
    deliver_by=DeliverBy.OFFERED,
    priorities=Priorities.OFFERED,
    future_release=FutureRelease(600, datetime(2030, 1, 1, tzinfo=UTC)),
)
PIECES = [
    *(
        b"EHLO c.test\r\n",
        b"HELO x\r\n",
        b"LHLO x\r\n",
        b"MAIL FROM:<a@b.test>",
        b"MAIL FROM:<>",
        b"RCPT TO:<c@d.test>",
        b"DATA\r\n",
    ),
    *(
        b" SIZE=100",
        b" BODY=8BITMIME",
        b" BODY=BINARYMIME",
        b" SMTPUTF8",
        b" RET=FULL",
        b" ENVID=a+2Bb",
        b" NOTIFY=NEVER",
    ),
    *(
        b" REQUIRETLS",
        b" BY=60;R",
        b" BY=-1;NT",
        b" MT-PRIORITY=-9",
        b" HOLDFOR=60",
        b" HOLDFOR=601",
        b" HOLDUNTIL=2029-12-31T23:59:60Z",
        b" HOLDUNTIL=2030-01-01T00:00:00.5+14:00",
    ),
    *(
        b" NOTIFY=SUCCESS,DELAY",
        b" ORCPT=rfc822;a+40b",
        b" ORCPT=utf-8;\xc3\xbc@x",
        b" AUTH=<>",
        b"\r\n",
        b"\n",
        b"\r",
    ),
    *(
        b"BDAT 5\r\n",
        b"BDAT 3 LAST\r\n",
        b"BDAT 0\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 9999999999\r\n",
        b"BDAT -1\r\n",
        b"hello",
    ),
    *(
        b".\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r.\r",
        b"..x\r\n",
        b"\x00",
        b"\xff\xfe",
        b"Subject: x\r\n\r\n",
        b"x" * 300,
    ),
    *(
        b"RSET\r\n",
        b"NOOP\r\n",
        b"VRFY x\r\n",
        b"EXPN \xc3\xbc SMTPUTF8\r\n",
        b"HELP DATA\r\n",
        b"QUIT\r\n",
        b"STARTTLS\r\n",
    ),
    *(
        b"AUTH PLAIN\r\n",
        b"AUTH PLAIN AGEAYg==\r\n",
        b"AUTH LOGIN\r\n",
        b"YQ==\r\n",
        b"*\r\n",
        b"XCLIENT ADDR=1.2.3.4\r\n",
    ),
    *(
        b"AUTH SCRAM-SHA-256 biwsbj1hLHI9Yg==\r\n",
        b"AUTH SCRAM-SHA-256-PLUS\r\n",
        b"biwsbj1hLHI9Yg==\r\n",
        b"AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHQBAQ==\r\n",
        b"AUTH OAUTHBEARER\r\n",
        b"biwsAWF1dGg9QmVhcmVyIHQBAQ==\r\n",
        b"AQ==\r\n",
    ),
    *(
        "MAIL FROM:<ü@ü.test>".encode(),
        b'RCPT TO:<"a b"@c>',
        b"RCPT TO:<@r:a@b>",
        b"MAIL FROM:<" + b"a" * 70 + b"@b>",
    ),
]
# After these the next octets must wait, so that streams with them differ by how they come.
WAITING = (b"EHLO", b"HELO", b"LHLO", b"DATA", b"AUTH", b"STARTTLS", b"XCLIENT")
LINES = re.compile(rb"[^\n]*\n|[^\n]+")
NONCE = re.compile(rb"334 [A-Za-z0-9+/=]{40,}")
# Of those, one in so many is played octet by octet.
SLOW_SHARE = 4
MOST_HELD_OCTETS = 4096 + 2048 + 4096


def play(segments: list[bytes], chance: random.Random) -> tuple[bytes, list[bytes]]:
    """What was said, nonces of SCRAM left out, and the messages."""
    said, messages = _play(segments, chance)
    return NONCE.sub(b"334 challenge", said), messages


def _play(segments: list[bytes], chance: random.Random) -> tuple[bytes, list[bytes]]:
    machine = ServerMachine(CONFIG, offers_tls=True, offers_auth=True)
    machine.offers_xclient = True
    machine.channel_binding = ChannelBinding({"tls-server-end-point": b"digest"})
    said, messages = b"", []
    for segment in segments:
        machine.feed(segment)
        while (event := machine.next_event()) is not None:
            if isinstance(event, events.RcptAsked):
                assert event.rcpts
                machine.answer_rcpt([OK if "no" not in path else NO for path in event.forward_paths])
            elif isinstance(event, events.DataAsked):
                machine.answer(GO)
            elif isinstance(event, events.MessageCame):
                assert len(event.content) <= CONFIG.size_limit_octets
                messages.append(event.content)
                machine.answer(OK)
            elif isinstance(event, events.TlsAsked):
                machine.tls_started()
            elif isinstance(event, events.ScramAsked):
                machine.scram_offered(OFFER)
            elif isinstance(event, events.TokenAsked) and chance.random() < 0.5:
                machine.token_refused(TokenRefusal(), NO)
            elif isinstance(event, events.Closing):
                return said + machine.output(), messages
            elif not isinstance(event, events.MessageFlawed | events.ChunksBegun):
                machine.answer(OK if chance.random() < 0.9 else NO)
        assert machine.message_octets <= MOST_HELD_OCTETS
        said += machine.output()
    return said, messages


def check(stream: bytes, seed: int) -> None:
    """Raises AssertionError, or whatever the machine raises."""
    said, messages = play([stream], random.Random(seed))
    for line in said.split(b"\r\n")[:-1]:
        assert line[:3].isdigit(), line
        assert not set(line) & set(b"\r\n\0"), line
    waits = any(word in stream.upper() for word in WAITING)
    if waits and seed % SLOW_SHARE:
        return
    one_by_one = play([stream[at : at + 1] for at in range(len(stream))], random.Random(seed))
    # Line by line, nothing comes before the answer that it has to wait for.
    whole = play(LINES.findall(stream), random.Random(seed)) if waits else (said, messages)
    assert one_by_one == whole


def streams(inputs: int, seed: int) -> Iterator[bytes]:
    """As many of them, the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(inputs):
        pieces = [chance.choice(PIECES) for _ in range(chance.randrange(1, 14))]
        if chance.random() < 0.5:
            pieces = [b"EHLO c.test\r\n", *pieces]
        stream = bytearray(b"".join(pieces))
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            stream[chance.randrange(len(stream))] = chance.randrange(256)
        yield bytes(stream)


def main(inputs: int, seed: int) -> None:
    """As many inputs."""
    slowest, slow_stream, begun = 0.0, b"", time.perf_counter()
    for number, stream in enumerate(streams(inputs, seed)):
        started = time.perf_counter()
        try:
            check(stream, number)
        except Exception:
            print(f"input {number} of seed {seed}: {stream!r}")
            raise
        if (took := time.perf_counter() - started) > slowest:
            slowest, slow_stream = took, stream
    print(
        f"{inputs} inputs in {time.perf_counter() - begun:.0f} s; slowest {slowest * 1000:.1f} ms: {slow_stream[:60]!r}"
    )
    assert slowest < 1.0, "an input took a second"


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["1000000", "1"][len(sys.argv) - 1 :])))
