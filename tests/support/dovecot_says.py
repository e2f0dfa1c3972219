"""What Dovecot's imap process says of messages: run by itself, logged in beforehand, over a Maildir of the test's own."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "/usr/lib/dovecot/imap"
USER = "nobody"
GROUP = "nogroup"
TOKEN = re.compile(rb'\(|\)|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|[^\s()]+')
Value = bytes | None | list["Value"]


def parse(text: bytes, position: int = 0) -> tuple[list[Value], int]:
    """A parenthesised list behind its bracket, and where it ends; atoms in lower case, NIL is None."""
    items: list[Value] = []
    while True:
        while text[position : position + 1] == b" ":
            position += 1
        found = TOKEN.match(text, position)
        assert found is not None, text[position : position + 40]
        position = found.end()
        token = found.group()
        if token == b"(":
            inner, position = parse(text, position)
            items.append(inner)
        elif token == b")":
            return items, position
        elif found.group(1) is not None:
            items.append(re.sub(rb"\\(.)", rb"\1", found.group(1)))
        elif found.group(2) is not None:
            length = int(found.group(2))
            items.append(text[position : position + length])
            position += length
        else:
            items.append(None if token.upper() == b"NIL" else token.lower())


def says(folder: Path, messages: Sequence[bytes]) -> list[tuple[list[Value], list[Value]]]:
    """(ENVELOPE, BODYSTRUCTURE) of each message, in order."""
    maildir = folder / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    for number, message in enumerate(messages):
        path = maildir / "cur" / f"{1_700_000_000 + number}.M{number:06d}.host:2,"
        path.write_bytes(message)
    configuration = folder / "dovecot.conf"
    configuration.write_text(
        f"mail_location = maildir:{maildir}\nssl = no\nbase_dir = {folder}/run\nlog_path = {folder}/log\n"
        f"mail_uid = {USER}\nmail_gid = {GROUP}\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n"
    )
    subprocess.run(["chown", "-R", f"{USER}:{GROUP}", str(folder)], check=True)
    talk = b"a SELECT INBOX\r\nb UID FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\nc LOGOUT\r\n"
    with subprocess.Popen(
        [PROGRAM, "-c", str(configuration)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"USER": USER, "HOME": str(folder), "PATH": os.environ.get("PATH", "")},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # It breaks off where its input ends: that stays open until everything is said.
        process.stdin.write(talk)
        process.stdin.flush()
        said = process.stdout.read()
    answers = []
    for found in re.finditer(rb"\* \d+ FETCH \(UID \d+ ENVELOPE \(", said):
        envelope, position = parse(said, found.end())
        start = said.index(b"BODYSTRUCTURE (", position) + len(b"BODYSTRUCTURE (")
        structure, _ = parse(said, start)
        answers.append((envelope, structure))
    assert len(answers) == len(messages), said[-500:]
    return answers
