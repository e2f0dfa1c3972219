"""A mailbox of varied messages through the programs that people read mail with: nothing lost, nothing altered.

mbsync has `test_imap_sync`. IMAP_MESSAGES=2000 makes the mailbox larger.
"""

import asyncio
import hashlib
import imaplib
import os
import re
import shlex
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aioimaplib
import pytest
from imapclient import IMAPClient

from tests.e2e.conftest import needs
from tests.e2e.stress.letter import letter
from tests.support.imap_raw import RawImap
from tests.support.platform import Account, Platform

MESSAGES = int(os.environ.get("IMAP_MESSAGES", "300"))
FLAGS = (b"\\Seen", b"\\Flagged", b"\\Answered", b"\\Draft")
TOGETHER = 20


def content(number: int) -> bytes:
    """A message as mail programs keep it: with a line end at its end."""
    octets = letter(number)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def flags(number: int) -> set[bytes]:
    """Every set of the four flags is somewhere."""
    return {flag for place, flag in enumerate(FLAGS) if number >> place & 1}


async def fill(platform: Platform, account: Account) -> None:
    """Messages 1 to MESSAGES into INBOX, in that order: UID and number are one."""
    client = await RawImap.connect(platform.ports.imap)
    await client.login(account.address, account.password)
    for start in range(1, MESSAGES + 1, TOGETHER):
        numbers = range(start, min(start + TOGETHER, MESSAGES + 1))
        words = "".join(f" ({b' '.join(sorted(flags(number))).decode()}) {{}}" for number in numbers)
        answer = await client.command(f"APPEND INBOX{words}", tuple(content(number) for number in numbers))
        assert answer.is_ok, answer
    await client.logout()


@dataclass(frozen=True)
class Filled:
    """An account whose INBOX has all messages."""

    platform: Platform
    account: Account

    @classmethod
    def make(cls, platform: Platform, name: str) -> "Filled":
        account = platform.create_account(name)
        asyncio.run(fill(platform, account))
        return cls(platform, account)

    def client(self) -> IMAPClient:
        client = IMAPClient("127.0.0.1", self.platform.ports.imap, ssl=False)
        client.login(self.account.address, self.account.password)
        return client

    def check(self, box: str, expected: dict[int, set[bytes]]) -> None:
        """`box` has exactly these messages, each octet of them, with these flags."""
        with self.client() as client:
            client.select_folder(box, readonly=True)
            there = {}
            for data in client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS"]).values():
                there[number_of(data[b"BODY[]"])] = set(data[b"FLAGS"]) - {b"\\Recent"}
                assert data[b"BODY[]"] == content(number_of(data[b"BODY[]"]))
            assert client.folder_status(box, ["MESSAGES"])[b"MESSAGES"] == len(there), "one is there twice"
        assert there == expected


def number_of(octets: bytes) -> int:
    found = re.search(rb"^X-Stress: (\d+)\r?$", octets, re.MULTILINE)
    assert found is not None, octets[:300]
    return int(found[1])


@pytest.fixture(scope="module")
def filled(platform: Platform) -> Filled:
    return Filled.make(platform, "varied")


EVERYTHING = {number: flags(number) for number in range(1, MESSAGES + 1)}


def test_imapclient_copies_and_moves_all(filled: Filled) -> None:
    filled.check("INBOX", EVERYTHING)
    with filled.client() as client:
        client.create_folder("Copied")
        client.create_folder("Moved")
        client.select_folder("INBOX")
        client.copy(client.search(), "Copied")
        client.select_folder("Copied")
        odd = list(range(1, MESSAGES + 1, 2))
        client.move(odd, "Moved")
    filled.check("INBOX", EVERYTHING)
    filled.check("Copied", {number: flags(number) for number in EVERYTHING if not number % 2})
    filled.check("Moved", {number: flags(number) for number in odd})


def test_imaplib_reads_each_by_pieces(filled: Filled) -> None:
    with imaplib.IMAP4("127.0.0.1", filled.platform.ports.imap) as client:
        client.login(filled.account.address, filled.account.password)
        client.select("INBOX", readonly=True)
        for number in range(1, min(MESSAGES, 40) + 1):
            whole = content(number)
            read = b""
            while len(read) < len(whole):
                _, data = client.uid("FETCH", str(number), f"(BODY.PEEK[]<{len(read)}.4999>)")
                assert isinstance(data[0], tuple)
                assert data[0][1]
                read += data[0][1]
            assert read == whole
            _, data = client.uid("FETCH", str(number), "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])")
            assert b"".join(item[1] for item in data if isinstance(item, tuple)) == whole


def curl(filled: Filled, *arguments: str) -> None:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--user", *_user(filled), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr


def _user(filled: Filled) -> tuple[str]:
    return (f"{filled.account.address}:{filled.account.password}",)


@needs("curl")
def test_curl_reads_and_puts(filled: Filled, tmp_path: Path) -> None:
    url = f"imap://127.0.0.1:{filled.platform.ports.imap}"
    curl(filled, f"{url}/INBOX;UID=[1-{MESSAGES}]", "--output", f"{tmp_path}/#1")
    for number in EVERYTHING:
        assert (tmp_path / str(number)).read_bytes() == content(number)
    with filled.client() as client:
        client.create_folder("Put")
    curl(filled, "--upload-file", f"{tmp_path}/[1-40]", f"{url}/Put")
    # curl says that what it puts has been read.
    filled.check("Put", {number: {b"\\Seen"} for number in range(1, 41)})


OFFLINEIMAP = """\
[general]
accounts = varied
metadata = {folder}/state
maxsyncaccounts = 1
socktimeout = 60

[Account varied]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {folder}/mail

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = {login}
remotepass = {password}
ssl = no
starttls = no
auth_mechanisms = PLAIN
folderfilter = lambda name: name == 'INBOX'
"""
# The letters of a Maildir's file names, as OfflineIMAP writes them.
LETTERS = {"S": b"\\Seen", "F": b"\\Flagged", "R": b"\\Answered", "D": b"\\Draft", "T": b"\\Deleted"}


def near(folder: Path) -> dict[int, tuple[Path, set[bytes]]]:
    """Every message of the Maildir by its number; its octets are checked."""
    found: dict[int, tuple[Path, set[bytes]]] = {}
    count: Counter[int] = Counter()
    for path in sorted([*folder.glob("cur/*"), *folder.glob("new/*")]):
        octets = path.read_bytes()
        number = number_of(octets)
        count[number] += 1
        assert digest(octets) == digest(content(number)), f"{number} is altered: {octets[:600]!r}"
        found[number] = (path, {LETTERS[each] for each in path.name.partition(":2,")[2] if each in LETTERS})
    assert not [number for number, times in count.items() if times > 1]
    return found


def digest(octets: bytes) -> str:
    """Of a message, whatever its line ends are."""
    return hashlib.sha256(octets.replace(b"\r\n", b"\n")).hexdigest()


@needs("offlineimap", package="offlineimap3")
def test_offlineimap_both_ways(platform: Platform, tmp_path: Path) -> None:
    filled = Filled.make(platform, "offline")
    rc = tmp_path / "offlineimaprc"
    rc.write_text(
        OFFLINEIMAP.format(
            folder=tmp_path,
            port=platform.ports.imap,
            login=filled.account.address,
            password=filled.account.password,
        )
    )

    def sync() -> None:
        done = subprocess.run(
            ["offlineimap", "-c", str(rc), "-o", "-u", "basic"],
            capture_output=True,
            text=True,
            timeout=300,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"},
        )
        assert done.returncode == 0, done.stdout + done.stderr

    box = tmp_path / "mail" / "INBOX"
    sync()
    assert {number: told for number, (_, told) in near(box).items()} == EVERYTHING
    expected = dict(EVERYTHING)
    # Here: new ones, other flags, and some are thrown away.
    for number, (path, _) in near(box).items():
        if number % 10 == 1:
            path.unlink()
            del expected[number]
        elif number % 10 == 2:
            path.rename(path.with_name(path.name.partition(":2,")[0] + ":2,FS"))
            expected[number] = {b"\\Flagged", b"\\Seen"}
    added = range(MESSAGES + 1, MESSAGES + 21)
    for number in added:
        (box / "cur" / f"1.{number}.here:2,S").write_bytes(content(number).replace(b"\r\n", b"\n"))
        expected[number] = {b"\\Seen"}
    # There as well, meanwhile.
    with filled.client() as client:
        client.select_folder("INBOX")
        for number in EVERYTHING:
            if number % 10 == 3:
                client.set_flags([number], [b"\\Answered"])
                expected[number] = {b"\\Answered"}
            elif number % 10 == 4:
                client.add_flags([number], [b"\\Deleted"])
                del expected[number]
        client.expunge()
        for number in range(MESSAGES + 21, MESSAGES + 31):
            client.append("INBOX", content(number))
            expected[number] = set()
    sync()
    filled.check("INBOX", expected)
    assert {number: told for number, (_, told) in near(box).items()} == expected


def test_aioimaplib_both_ways_and_in_idle(filled: Filled) -> None:
    asyncio.run(_aioimaplib(filled))
    filled.check("Sent back", EVERYTHING)


async def _aioimaplib(filled: Filled) -> None:
    """Reads everything and puts it elsewhere with its flags; another connection hears of the first in IDLE."""
    writer, idler = [aioimaplib.IMAP4("127.0.0.1", filled.platform.ports.imap, timeout=120) for _ in range(2)]
    for client in (writer, idler):
        await client.wait_hello_from_server()
        assert (await client.login(filled.account.address, filled.account.password)).result == "OK"
    assert (await writer.create('"Sent back"')).result == "OK"
    assert (await idler.select('"Sent back"')).result == "OK"
    idling = await idler.idle_start(timeout=120)
    assert (await writer.select("INBOX")).result == "OK"
    for start in range(1, MESSAGES + 1, 50):
        numbers = range(start, min(start + 50, MESSAGES + 1))
        answer = await writer.uid("fetch", f"{numbers[0]}:{numbers[-1]}", "(FLAGS BODY.PEEK[])")
        assert answer.result == "OK"
        bodies = [line for line in answer.lines if isinstance(line, bytearray)]
        assert [digest(bytes(body)) for body in bodies] == [digest(content(number)) for number in numbers]
        for number, body in zip(numbers, bodies, strict=True):
            words = " ".join(flag.decode() for flag in sorted(flags(number)))
            put = await writer.append(bytes(body), '"Sent back"', flags=f"({words})" if words else None)
            assert put.result == "OK", put
            if number == 1:
                while not any(b"1 EXISTS" in line for line in await idler.wait_server_push()):
                    pass
                idler.idle_done()
                await asyncio.wait_for(idling, 60)
    for client in (writer, idler):
        await client.logout()


MUTT = """\
set folder = imap://127.0.0.1:{port}/
set imap_user = "{login}"
set imap_pass = "{password}"
set ssl_starttls = no
set ssl_force_tls = no
set mbox_type = Maildir
set confirmcreate = no
set confirmappend = no
set delete = no
set mark_old = no
set wait_key = no
set header_cache = ""
set sleep_time = 0
set quit = yes
"""


@needs("mutt")
def test_mutt_takes_everything_away(filled: Filled, tmp_path: Path) -> None:
    rc, out = tmp_path / "muttrc", tmp_path / "taken"
    rc.write_text(
        MUTT.format(
            port=filled.platform.ports.imap,
            login=filled.account.address,
            password=filled.account.password,
        )
    )
    push = f"push '<tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><quit>'"
    command = [
        "mutt",
        "-n",
        "-F",
        str(rc),
        "-f",
        f"imap://127.0.0.1:{filled.platform.ports.imap}/INBOX",
        "-e",
        push,
    ]
    # It wants a terminal.
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", shlex.join(command), "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "vt100", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout[-2000:]
    taken = [path.read_bytes() for folder in ("cur", "new") for path in (out / folder).iterdir()]
    assert {number_of(octets) for octets in taken} == set(EVERYTHING)
    assert len(taken) == MESSAGES
    for octets in taken:
        # What mutt writes of its own stands in the header.
        body = octets.partition(b"\n\n")[2]
        assert digest(body) == digest(content(number_of(octets)).partition(b"\r\n\r\n")[2])
