"""POP3 with real clients: hundreds of messages fetched and deleted, and nothing half-deleted when it is killed.

poplib and curl fetch MESSAGES each: 150 in `make test`, for time, and 1,000 in `make soak`.
"""

import contextlib
import imaplib
import os
import poplib
import smtplib
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import needs
from tests.e2e.letters import Sent, plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Account, Platform

MESSAGES = int(os.environ.get("MESSAGES", "150"))
PATIENCE_SECONDS = 60.0


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def deliver(platform: Platform, reader: Account, count: int, name: str) -> list[Sent]:
    letters = [
        plain(f"{name}-{number}", "x@peer.invalid", reader.address, b".dot\r\n" * (number % 7) + b"end\r\n")
        for number in range(count)
    ]
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        for letter in letters:
            session.sendmail("x@peer.invalid", [reader.address], letter.content)
    for letter in letters[-3:]:
        wait_for_subject(platform, reader.address, reader.password, letter.name)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while count_of(platform, reader) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    return letters


def login(platform: Platform, reader: Account) -> poplib.POP3_SSL:
    """As soon as the service is there and nobody else has the maildrop."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            client = poplib.POP3_SSL("127.0.0.1", platform.ports.pop3s, context=unchecked(), timeout=30)
            client.user(reader.address)
            client.pass_(reader.password)
            return client
        except (OSError, poplib.error_proto, EOFError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def count_of(platform: Platform, reader: Account) -> int:
    client = login(platform, reader)
    count = client.stat()[0]
    client.quit()
    return count


def subject(lines: list[bytes]) -> str:
    return next(line for line in lines if line.startswith(b"Subject: ")).decode()[9:]


@needs("curl")
def test_hundreds_of_messages_are_fetched_and_deleted(platform: Platform, tmp_path: Path) -> None:
    reader = platform.create_account("pop-reader")
    letters = {letter.name: letter.content for letter in deliver(platform, reader, 2 * MESSAGES, "many")}
    client = login(platform, reader)
    assert client.stat()[0] == 2 * MESSAGES
    unique_ids = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(unique_ids)) == 2 * MESSAGES
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    fetched = {}
    for number in range(1, MESSAGES + 1):
        _, lines, _ = client.retr(number)
        content = b"\r\n".join(lines) + b"\r\n"
        assert len(content) == sizes[number - 1]
        fetched[subject(lines)] = content
        client.dele(number)
    client.quit()

    client = login(platform, reader)
    assert [line.split()[1] for line in client.uidl()[1]] == unique_ids[MESSAGES:]
    client.quit()
    curl = ["curl", "--silent", "--show-error", "--insecure", "--max-time", "60"]
    curl += ["--user", f"{reader.address}:{reader.password}"]
    url = f"pop3s://127.0.0.1:{platform.ports.pop3s}/[1-{MESSAGES}]"
    subprocess.run([*curl, url, "--output", str(tmp_path / "#1")], check=True)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        fetched[subject(content.split(b"\r\n"))] = content
    subprocess.run([*curl, url, "--request", "DELE", "--head"], check=True, stdout=subprocess.DEVNULL)
    assert count_of(platform, reader) == 0
    assert set(fetched) == set(letters)
    # Received and the like stand before it; what was sent came back octet by octet.
    assert all(content.endswith(letters[name]) for name, content in fetched.items())


@pytest.mark.parametrize("moment", ["before QUIT", "with QUIT", "after QUIT"])
def test_a_kill_leaves_nothing_half_deleted(platform: Platform, moment: str) -> None:
    reader = platform.create_account(f"pop-killed-{moment.split()[0]}")
    deliver(platform, reader, 20, f"killed-{moment.split()[0]}")
    client = login(platform, reader)
    for number in range(1, 16):
        client.dele(number)
    if moment == "after QUIT":
        client.quit()
    elif moment == "with QUIT":
        client.sock.sendall(b"QUIT\r\n")
    platform.kill("pop3")
    with contextlib.suppress(OSError):
        client.close()
    left = count_of(platform, reader)
    expected = {"before QUIT": {20}, "with QUIT": {5, 20}, "after QUIT": {5}}
    assert left in expected[moment]
    platform.wait_ready()


def test_unique_ids_stay_over_renames_restores_and_restarts(platform: Platform) -> None:
    reader = platform.create_account("pop-renamed")
    deliver(platform, reader, 3, "renamed")

    def unique_ids(who: Account) -> list[bytes]:
        client = login(platform, who)
        found = [line.split()[1] for line in client.uidl()[1]]
        client.quit()
        return found

    before = unique_ids(reader)
    assert len(set(before)) == 3
    renamed = replace(reader, address=reader.address.replace("pop-renamed", "pop-has-another-name"))
    token = platform.layout.token_file.read_text().strip()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{platform.ports.admin}",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    ) as api:
        path = f"/v1/accounts/{reader.address}"
        assert api.post(f"{path}/addresses", json={"address": renamed.address}).status_code == 201
        assert api.put(f"{path}/primary-address", json={"address": renamed.address}).is_success
        assert unique_ids(renamed) == before
        account_id = api.get(path).json()["account_id"]
        assert api.delete(path).status_code == 204
        assert api.post(f"/v1/deleted-accounts/{account_id}/restore").is_success
    platform.kill("pop3")
    assert unique_ids(renamed) == before
    # Another mailbox in its place and back: what is new is never called as something old was.
    with imaplib.IMAP4_SSL("127.0.0.1", platform.ports.imaps, ssl_context=unchecked()) as client:
        client.login(renamed.address, renamed.password)
        assert client.rename("INBOX", "Old")[0] == "OK"
        client.select("Old")
        assert client.copy("1:3", "INBOX")[0] == "OK"
    after = unique_ids(renamed)
    assert len(after) == 3
    assert not set(after) & set(before)
