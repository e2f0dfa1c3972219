"""IMAP's extensions against a live installation: the golden dialogues, two sessions that resynchronise, large parts."""

import asyncio
import base64
import random
import socket
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.dialogue import load, play_live
from tests.support.platform import Account, Platform

GOLDEN = Path(__file__).parent.parent / "conformance" / "imap"
# What is about the session in memory, or played elsewhere.
NOT_HERE = ("literals", "rfc3501-section-8")
DIALOGUES = sorted(path for path in GOLDEN.glob("*.txt") if path.stem not in NOT_HERE)


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_dialogue(platform: Platform, path: Path) -> None:
    account = platform.create_account(f"golden-{path.stem}")
    asyncio.run(
        play_live(
            load(path),
            "127.0.0.1",
            platform.ports.imap,
            substitutions={
                "login": account.address,
                "password": account.password,
                "user": quote(account.address, safe=""),
                "kilobyte": "x" * 1025,
            },
        )
    )


class Session:
    """A plain client: a command in, the answer's lines out."""

    def __init__(self, platform: Platform, account: Account) -> None:
        self._socket = socket.create_connection(("127.0.0.1", platform.ports.imap), 20)
        self.stream = self._socket.makefile("rwb")
        assert self.stream.readline().startswith(b"* OK")
        self.say(f"LOGIN {account.address} {account.password}")

    def raw(self, command: bytes) -> list[bytes]:
        self.stream.write(b"x " + command + b"\r\n")
        self.stream.flush()
        lines = [self.stream.readline()]
        while not lines[-1].startswith(b"x "):
            assert lines[-1], "the connection is closed"
            lines.append(self.stream.readline())
        assert lines[-1].startswith(b"x OK"), lines[-1]
        return lines

    def say(self, command: str) -> list[str]:
        return [line.decode().rstrip("\r\n") for line in self.raw(command.encode())]

    def append(self, content: bytes) -> None:
        self.raw(b"APPEND INBOX {%d+}\r\n%b" % (len(content), content))

    def close(self) -> None:
        self.stream.close()
        self._socket.close()


def test_a_client_that_was_away_catches_up(platform: Platform) -> None:
    account = platform.create_account("resync")
    one = Session(platform, account)
    for number in range(6):
        one.append(b"Subject: %d\r\n\r\nx\r\n" % number)
    told = one.say("SELECT INBOX")
    validity = next(line for line in told if "UIDVALIDITY" in line).split("UIDVALIDITY ")[1].split("]")[0]
    modseq = next(line for line in told if "HIGHESTMODSEQ" in line).split("HIGHESTMODSEQ ")[1].split("]")[0]
    one.say("STORE 2,5 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    one.say("UID STORE 3 +FLAGS.SILENT ($Work)")
    one.append(b"Subject: new\r\n\r\nx\r\n")
    two = Session(platform, account)
    two.say("ENABLE QRESYNC")
    told = two.say(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    changed = [line.split(" MODSEQ")[0] for line in told if "FETCH" in line or "VANISHED" in line]
    assert changed[0] == "* VANISHED (EARLIER) 2,5"
    assert changed[1] == "* 2 FETCH (UID 3 FLAGS ($Work)"
    assert changed[2].startswith("* 5 FETCH (UID 7 FLAGS (")
    # While it idles it hears of what vanishes, by UID.
    two.stream.write(b"y IDLE\r\n")
    two.stream.flush()
    assert two.stream.readline().startswith(b"+")
    one.say("UID STORE 7 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    heard = two.stream.readline()
    while b"VANISHED" not in heard:
        assert b"FETCH (UID 7" in heard
        heard = two.stream.readline()
    assert heard == b"* VANISHED 7\r\n"
    one.close()
    two.close()


def test_what_is_watched_is_told_unasked(platform: Platform) -> None:
    account = platform.create_account("notify")
    one, two = Session(platform, account), Session(platform, account)
    two.say("SELECT INBOX")
    events = "(MessageNew MessageExpunge FlagChange)"
    two.say(f"NOTIFY SET (selected {events}) (personal (MessageNew MessageExpunge MailboxName))")
    one.append(b"Subject: x\r\n\r\nx\r\n")
    assert two.stream.readline() == b"* 1 EXISTS\r\n"
    assert two.stream.readline() == b"* 1 RECENT\r\n"
    one.say("CREATE Work")
    assert two.stream.readline() == b'* LIST (\\HasNoChildren) "/" Work\r\n'
    one.say("SELECT INBOX")
    one.say("COPY 1 Work")
    assert two.stream.readline().startswith(b"* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ")
    one.close()
    two.close()


def test_a_compressed_session(platform: Platform) -> None:
    session = Session(platform, platform.create_account("squeezed"))
    session.say("COMPRESS DEFLATE")
    out, back = zlib.compressobj(6, zlib.DEFLATED, -15), zlib.decompressobj(-15)
    letter = b"Subject: x\r\n\r\n" + b"much the same " * 100_000
    for command, answer in (
        (b"x APPEND INBOX {%d+}\r\n%b\r\n" % (len(letter), letter), b"x OK [APPENDUID"),
        (b"x SELECT INBOX\r\n", b"x OK [READ-WRITE]"),
        (b"x FETCH 1 BODY.PEEK[]\r\n", b"x OK FETCH completed"),
    ):
        session.stream.write(out.compress(command) + out.flush(zlib.Z_SYNC_FLUSH))
        session.stream.flush()
        said = b""
        while answer not in said:
            said += back.decompress(session.stream.read1())
    assert letter in said
    session.close()


def test_a_large_part_comes_decoded_and_by_ranges(platform: Platform) -> None:
    account = platform.create_account("binary")
    content = random.Random(1).randbytes(2_000_000)
    letter = (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(content).replace(b"\n", b"\r\n")
        + b"--cut--\r\n"
    )
    session = Session(platform, account)
    session.append(letter)
    session.say("SELECT INBOX")
    assert session.say("FETCH 1 BINARY.SIZE[1]")[0] == f"* 1 FETCH (BINARY.SIZE[1] {len(content)})"
    for partial, expected in ((b"", content), (b"<1500000.1000>", content[1_500_000:1_501_000])):
        session.stream.write(b"x FETCH 1 BINARY.PEEK[1]" + partial + b"\r\n")
        session.stream.flush()
        head = session.stream.readline()
        assert head.endswith(b"~{%d}\r\n" % len(expected)), head
        assert session.stream.read(len(expected)) == expected
        assert session.stream.readline() == b")\r\n"
        assert session.stream.readline().startswith(b"x OK")
    session.close()
