"""Each POP3 program fetches a full maildrop and deletes it: nothing is lost, nothing comes twice or altered.

`make test` has them fetch 100 messages, for time; `make soak` has them and the two of test_pop3.py fetch 1,000 each
(MESSAGES=1000).
"""

import os
import poplib
import smtplib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.e2e.conftest import needs
from tests.e2e.letters import Sent, plain
from tests.e2e.test_pop3 import count_of, deliver, login
from tests.support.platform import Account, Platform
from tests.support.sink import SmtpSink

MESSAGES = int(os.environ.get("MESSAGES", "100"))


def filled(platform: Platform, name: str) -> tuple[Account, list[Sent]]:
    """Somebody with mail, and what was sent."""
    reader = platform.create_account(name)
    letters = deliver(platform, reader, MESSAGES, name)
    assert count_of(platform, reader) == MESSAGES
    return reader, letters


def assert_holds(box: bytes, letters: Sequence[Sent]) -> None:
    """Each message once, and as it was sent but for the ends of its lines."""
    text = box.replace(b"\r\n", b"\n")
    found = sorted(line[9:] for line in text.split(b"\n") if line.startswith(b"Subject: "))
    assert found == sorted(letter.name.encode() for letter in letters)
    altered = [letter.name for letter in letters if letter.content.replace(b"\r\n", b"\n") not in text]
    assert altered == []


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
    reader, letters = filled(platform, "many-fetchmail")
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        f'poll 127.0.0.1 protocol POP3 port {platform.ports.pop3s} user "{reader.address}" password '
        f'"{reader.password}" options ssl no sslcertck no keep mda "cat >> {tmp_path}/box"\n'
    )
    rc.chmod(0o600)
    files = ("--idfile", str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid"))
    run(["fetchmail", "-f", str(rc), "--nosyslog", *files], tmp_path)
    assert_holds((tmp_path / "box").read_bytes(), letters)
    assert count_of(platform, reader) == 0


@needs("mpop")
def test_mpop(platform: Platform, tmp_path: Path) -> None:
    reader, letters = filled(platform, "many-mpop")
    rc = tmp_path / "mpoprc"
    rc.write_text(
        "defaults\ntls on\ntls_starttls on\ntls_certcheck off\nkeep off\npipelining on\n"
        f"uidls_file {tmp_path}/uidls\naccount default\nhost 127.0.0.1\nport {platform.ports.pop3}\n"
        f"user {reader.address}\npasswordeval cat {tmp_path}/password\ndelivery mbox {tmp_path}/box\n"
    )
    rc.chmod(0o600)
    (tmp_path / "password").write_text(reader.password)
    run(["mpop", "--quiet", "--file", str(rc)], tmp_path)
    assert_holds((tmp_path / "box").read_bytes(), letters)
    assert count_of(platform, reader) == 0


@needs("getmail", package="getmail6")
def test_getmail(platform: Platform, tmp_path: Path) -> None:
    reader, letters = filled(platform, "many-getmail")
    # By LMTP, for all of getmail's other destinations fork for each message, and wait for the child in a way that may
    # miss its end (the handler of SIGCHLD is set after the fork, and notifies a condition that nobody waits for yet):
    # then it sits there for its timeout of 180 s, the session idle, and gives up.
    with SmtpSink() as sink:
        (tmp_path / "getmailrc").write_text(
            f"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {platform.ports.pop3}\n"
            f"username = {reader.address}\npassword = {reader.password}\n\n"
            f"[destination]\ntype = MDA_lmtp\nhost = 127.0.0.1\nport = {sink.port}\n"
            f"override = {reader.address}\n\n[options]\ndelete = true\nverbose = 0\n"
        )
        run(["getmail", "--getmaildir", str(tmp_path), "--rcfile", "getmailrc"], tmp_path, "")
    assert_holds(b"".join(taken.content for taken in sink.taken), letters)
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
