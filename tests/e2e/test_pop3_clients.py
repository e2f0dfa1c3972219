"""Each POP3 program fetches a full maildrop and deletes it; MESSAGES=1000 for more."""

import os
import poplib
import shutil
import smtplib
import subprocess
import tempfile
from pathlib import Path

import httpx

from tests.e2e.conftest import needs
from tests.e2e.letters import plain
from tests.e2e.test_pop3 import count_of, deliver, login
from tests.support.platform import Account, Platform

MESSAGES = int(os.environ.get("MESSAGES", "100"))


def filled(platform: Platform, name: str) -> tuple[Account, set[bytes]]:
    """Somebody with mail, and its subjects."""
    reader = platform.create_account(name)
    letters = deliver(platform, reader, MESSAGES, name)
    assert count_of(platform, reader) == MESSAGES
    return reader, {letter.name.encode() for letter in letters}


def subjects(text: bytes) -> list[bytes]:
    return sorted(line[9:].rstrip() for line in text.split(b"\n") if line.startswith(b"Subject: "))


def run(argv: list[str], folder: Path, stdin: str | None = None) -> None:
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=240,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "LOGNAME": "fetcher"},
    )
    assert done.returncode == 0, done.stderr + done.stdout


@needs("fetchmail")
def test_fetchmail(platform: Platform, tmp_path: Path) -> None:
    reader, expected = filled(platform, "many-fetchmail")
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        f'poll 127.0.0.1 protocol POP3 port {platform.ports.pop3s} user "{reader.address}" password '
        f'"{reader.password}" options ssl no sslcertck no keep mda "cat >> {tmp_path}/box"\n'
    )
    rc.chmod(0o600)
    files = ("--idfile", str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid"))
    run(["fetchmail", "-f", str(rc), "--nosyslog", *files], tmp_path)
    assert subjects((tmp_path / "box").read_bytes()) == sorted(expected)
    assert count_of(platform, reader) == 0


@needs("mpop")
def test_mpop(platform: Platform, tmp_path: Path) -> None:
    reader, expected = filled(platform, "many-mpop")
    rc = tmp_path / "mpoprc"
    rc.write_text(
        "defaults\ntls on\ntls_starttls on\ntls_certcheck off\nkeep off\npipelining on\n"
        f"uidls_file {tmp_path}/uidls\naccount default\nhost 127.0.0.1\nport {platform.ports.pop3}\n"
        f"user {reader.address}\npasswordeval cat {tmp_path}/password\ndelivery mbox {tmp_path}/box\n"
    )
    rc.chmod(0o600)
    (tmp_path / "password").write_text(reader.password)
    run(["mpop", "--quiet", "--file", str(rc)], tmp_path)
    assert subjects((tmp_path / "box").read_bytes()) == sorted(expected)
    assert count_of(platform, reader) == 0


@needs("getmail", package="getmail6")
def test_getmail(platform: Platform) -> None:
    reader, expected = filled(platform, "many-getmail")
    # getmail delivers no mail as root: then it delivers as nobody, in a folder where that may be.
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        box = Path(folder, "box")
        for path in (box, box / "new", box / "cur", box / "tmp"):
            path.mkdir()
            if root:
                shutil.chown(path, "nobody")
        Path(folder).chmod(0o755)
        Path(folder, "getmailrc").write_text(
            f"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {platform.ports.pop3}\n"
            f"username = {reader.address}\npassword = {reader.password}\n\n"
            f"[destination]\ntype = Maildir\npath = {box}/\n{'user = nobody' if root else ''}\n\n"
            "[options]\ndelete = true\nverbose = 0\n"
        )
        run(["getmail", "--getmaildir", folder, "--rcfile", "getmailrc"], Path(folder), "")
        found = b"\n".join(path.read_bytes() for path in (box / "new").iterdir())
    assert subjects(found) == sorted(expected)
    assert count_of(platform, reader) == 0


def test_what_was_read_goes_after_the_accounts_own_time(platform: Platform) -> None:
    reader = platform.create_account("pop-keeper")
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        session.sendmail(
            "x@peer.invalid", [reader.address], plain("kept", "x@peer.invalid", reader.address).content
        )
    while count_of(platform, reader) == 0:
        continue
    token = platform.layout.token_file.read_text().strip()
    answer = httpx.patch(
        f"http://127.0.0.1:{platform.ports.admin}/v1/accounts/{reader.address}/settings",
        json={"pop_keep_days": 3},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    client = login(platform, reader)
    # The process may hear of the change a moment later.
    while client.capa()["EXPIRE"] != ["3"]:
        client.quit()
        client = login(platform, reader)
    client.retr(1)
    client.quit()
    # Read, and not three days old.
    assert count_of(platform, reader) == 1
    plain_client = poplib.POP3("127.0.0.1", platform.ports.pop3)
    assert plain_client.capa()["EXPIRE"] == ["1", "USER"]
    plain_client.quit()
