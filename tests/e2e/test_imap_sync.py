"""A mailbox of two thousand varied messages, kept the same on both sides by mbsync: nothing lost, nothing altered."""

import hashlib
import random
import re
import subprocess
from pathlib import Path

from imapclient import IMAPClient

from tests.e2e.conftest import needs
from tests.support.platform import Account, Platform

MESSAGES = 2000
TUID = re.compile(rb"^X-TUID: .{12}\n", re.MULTILINE)
LINES = (
    *(b"a line of text", b"From the beginning of a line", b".", b"..", b"", b" leading space", b"trailing  "),
    *(
        "Grüße aus Köln".encode(),
        "日本語のテキスト".encode(),
        b"=?utf-8?q?no word?=",
        b"\ttab",
        b"--",
        b"x" * 900,
    ),
    *(
        b"{10}",
        b"* 1 EXISTS",
        b"a1 LOGOUT",
        b'"quoted" \\ (list) %literal*',
        b"\xff\xfe raw octets",
        b">From",
    ),
)


def letter(dice: random.Random, name: str) -> bytes:
    """One message with CRLF line ends."""
    head = [
        f"From: Somebody <{name}@x.test>".encode(),
        f"Message-ID: <{name}@x.test>".encode(),
        b"Subject: "
        + dice.choice((b"plain", b"=?utf-8?b?R3LDvMOfZQ==?=", "rohes Ü".encode(), b"", b"two\r\n lines")),
    ]
    if dice.random() < 0.3:
        head.append(b"Date: Thu, 1 Jan 2026 10:00:00 +0000")
    lines = [dice.choice(LINES) for _ in range(dice.randint(0, 30))]
    if dice.random() < 0.3:
        head += [b"MIME-Version: 1.0", b"Content-Type: multipart/mixed; boundary=cut"]
        lines = [
            b"--cut",
            b"",
            *lines,
            b"--cut",
            b"Content-Type: message/rfc822",
            b"",
            *head[:2],
            b"",
            *lines,
            b"--cut--",
        ]
    return b"\r\n".join([*head, b"", *lines]) + b"\r\n"


def digest(content: bytes) -> str:
    """Of a message on either side: line ends are CRLF or LF, and mbsync marks what it carries."""
    return hashlib.sha256(TUID.sub(b"", content.replace(b"\r\n", b"\n"), count=1)).hexdigest()


class Maildir:
    """The near side."""

    def __init__(self, folder: Path, platform: Platform, account: Account) -> None:
        self.inbox = folder / "mail" / "INBOX"
        (folder / "mail").mkdir()
        self._rc = folder / "mbsyncrc"
        self._rc.write_text(
            f"IMAPAccount here\nHost 127.0.0.1\nPort {platform.ports.imap}\nUser {account.address}\n"
            f"Pass {account.password}\nSSLType None\nAuthMechs PLAIN LOGIN\nPipelineDepth 50\n\n"
            f"IMAPStore far\nAccount here\n\nMaildirStore near\nPath {folder}/mail/\nInbox {self.inbox}\n"
            "SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\n"
            "Expunge Both\nSync All\nSyncState *\n"
        )

    def sync(self) -> None:
        done = subprocess.run(
            ["mbsync", "-c", str(self._rc), "-a"], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr

    def files(self) -> dict[str, Path]:
        """By digest."""
        found = [path for room in ("new", "cur") for path in (self.inbox / room).iterdir()]
        return {digest(path.read_bytes()): path for path in found}

    def mark(self, path: Path, flags: str) -> None:
        """Maildir's flags are in the name."""
        stem = path.name.split(":2,")[0]
        path.rename(self.inbox / "cur" / f"{stem}:2,{''.join(sorted(flags))}")

    def put(self, name: str, content: bytes) -> None:
        (self.inbox / "cur" / f"1.{name}.here:2,S").write_bytes(content.replace(b"\r\n", b"\n"))


def on_server(session: IMAPClient) -> dict[str, set[bytes]]:
    """Flags by digest."""
    session.select_folder("INBOX", readonly=True)
    found: dict[str, set[bytes]] = {}
    for data in session.fetch(session.search("ALL"), ["BODY.PEEK[]", "FLAGS"]).values():
        found[digest(data[b"BODY[]"])] = set(data[b"FLAGS"]) - {b"\\Recent"}
    return found


@needs("mbsync", package="isync")
def test_both_sides_stay_the_same(platform: Platform, tmp_path: Path) -> None:
    dice = random.Random(2026)
    account = platform.create_account("sync")
    letters = {f"m{n}": letter(dice, f"m{n}") for n in range(MESSAGES)}
    with IMAPClient("127.0.0.1", port=platform.ports.imap, ssl=False) as session:
        session.login(account.address, account.password)
        contents = list(letters.values())
        for start in range(0, MESSAGES, 50):
            session.multiappend("INBOX", contents[start : start + 50])
        near = Maildir(tmp_path, platform, account)
        near.sync()
        expected = {digest(content) for content in contents}
        assert set(near.files()) == expected
        # Near: some are read, some go, some come.
        files = near.files()
        names = sorted(files)
        dice.shuffle(names)
        seen, flagged, gone = names[:200], names[200:300], names[300:400]
        for each, flags in ((seen, "S"), (flagged, "FS"), (gone, "T")):
            for name in each:
                near.mark(files[name], flags)
        new = [letter(dice, f"new{n}") for n in range(100)]
        for number, content in enumerate(new):
            near.put(str(number), content)
        near.sync()
        expected = (expected - set(gone)) | {digest(content) for content in new}
        held = on_server(session)
        assert set(held) == expected
        assert {name for name, flags in held.items() if b"\\Flagged" in flags} == set(flagged)
        assert {name for name, flags in held.items() if b"\\Seen" in flags} == {
            *seen,
            *flagged,
            *(digest(content) for content in new),
        }
        # Far: the same.
        session.select_folder("INBOX")
        uids = session.search("ALL")
        session.move(uids[:50], "Archive")
        session.delete_messages(uids[50:100])
        session.expunge(uids[50:100])
        session.add_flags(uids[100:150], [b"\\Answered"])
        session.multiappend("INBOX", [letter(dice, f"late{n}") for n in range(50)])
        near.sync()
        held = on_server(session)
        files = near.files()
        assert set(files) == set(held)
        answered = {name for name, path in files.items() if "R" in path.name.partition(":2,")[2]}
        assert answered == {name for name, flags in held.items() if b"\\Answered" in flags}
        assert len(answered) == 50
