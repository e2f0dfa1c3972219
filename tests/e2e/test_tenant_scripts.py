"""A tenant's scripts around its users' own, messages that scripts change, and trying a script out."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_sieve import mailbox, send, sieve
from tests.e2e.test_tenants_own_people import ask
from tests.support.platform import Platform

BEFORE = 'require ["editheader", "fileinto", "imap4flags"];\r\naddheader "X-Before" "yes";\r\naddflag "Seen-Before";\r\n'
OWN = """require ["editheader", "fileinto", "mailbox"];
if header :is "Subject" "own one" { fileinto :create "Mine"; }
addheader "X-Own" "yes";
"""
AFTER = """require ["fileinto", "mailbox", "editheader", "include"];
include :global "shared";
if header :contains "X-Own" "yes" { fileinto :create "After"; }
"""


class Cli:
    """`posthouse` of one installation."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._platform = platform
        self._folder = folder

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "posthouse", *words, "--data", str(self._platform.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def file(self, name: str, text: str) -> str:
        path = self._folder / name
        path.write_bytes(text.encode())
        return str(path)


@pytest.fixture
def cli(platform: Platform, tmp_path: Path) -> Iterator[Cli]:
    made = Cli(platform, tmp_path)
    yield made
    # Other tests' mail is the same tenant's.
    for name in ("before", "after", "shared"):
        made.run("tenant", "script", "delete", "demo", name)


def test_a_tenants_scripts_run_before_and_after_its_users_own(platform: Platform, cli: Cli) -> None:
    user, other = platform.create_account("ruled"), platform.create_account("ruled-too")
    for name, text in (("before", BEFORE), ("after", AFTER), ("shared", 'require "editheader";')):
        assert "version 1 runs" in cli("tenant", "script", "put", "demo", name, cli.file(name, text))
    with sieve(platform, user) as client:
        client.run(OWN)
    sent = send(platform, "a@peer.invalid", user.address, "kept by all", b"the very text\r\n")
    [(flags, content)] = mailbox(platform, user, "After", 1)
    assert b"Seen-Before" in flags
    # What scripts added stands above what came, which is as it came.
    head, _, body = content.partition(b"\r\n\r\n")
    assert head.index(b"X-Own: yes") < head.index(b"X-Before: yes") < head.index(b"Received:")
    assert content.endswith(sent)
    assert body == b"the very text\r\n"
    # What the user's own script files is not left to those who follow.
    send(platform, "a@peer.invalid", user.address, "own one")
    [(_, content)] = mailbox(platform, user, "Mine", 1)
    assert b"X-Before: yes" in content
    # They run for who has no script too.
    send(platform, "a@peer.invalid", other.address, "nobody's")
    [(flags, content)] = mailbox(platform, other, "INBOX", 1)
    assert b"X-Before: yes" in content


def test_a_version_of_before_comes_back(platform: Platform, cli: Cli) -> None:
    user = platform.create_account("versions")
    for number, use in ((1, "One"), (2, "Two")):
        script = f'require "editheader"; addheader "X-Version" "{use}";'
        assert f"version {number} runs" in cli(
            "tenant", "script", "put", "demo", "before", cli.file("s", script)
        )
    broken = cli.run("tenant", "script", "put", "demo", "before", cli.file("s", "keep;\nfileinto 42;\n"))
    assert broken.returncode != 0
    assert "line 2" in broken.stderr
    for count, (version, added) in enumerate(((2, b"Two"), (1, b"One"), (0, b"")), 1):
        cli("tenant", "script", "activate", "demo", "before", str(version))
        send(platform, "a@peer.invalid", user.address, f"letter {version}")
        _, content = mailbox(platform, user, "INBOX", count)[-1]
        assert (b"X-Version: " + added in content) == bool(version)
    assert "Two" in cli("tenant", "script", "show", "demo", "before", "--version", "2")
    assert cli("tenant", "script", "list", "demo").count("before") == 2
    assert cli.run("tenant", "script", "activate", "demo", "before", "9").returncode != 0


def test_trying_a_script_does_nothing(platform: Platform, cli: Cli) -> None:
    user = platform.create_account("trier")
    script = 'require ["fileinto", "mailbox"];\nif mailboxexists "Archive" {\n  fileinto :create "New";\n}\n'
    message = cli.file("m", "Subject: x\r\n\r\ntext\r\n")
    said = cli(
        "script", "try", message, "--script", cli.file("s", script), "--account", user.address, "--json"
    )
    assert '"kind": "fileinto"' in said
    assert '"line": 3' in said
    without = cli("script", "try", message, "--script", cli.file("s", script), "--json")
    assert '"kind": "implicit keep"' in without
    with pytest.raises(AssertionError, match="New did not get"):
        mailbox(platform, user, "New", 1, seconds=0.5)
    # Those that run for the account.
    assert cli.run("script", "try", message, "--account", user.address).returncode != 0
    with sieve(platform, user) as client:
        client.run('require "reject";\r\nreject "no";\r\n')
    said = cli("script", "try", message, "--account", user.address, "--json")
    assert '"kind": "reject"' in said
    assert '"line": 2' in said


def test_what_a_users_script_was_before_comes_back(platform: Platform, cli: Cli) -> None:
    user, other = platform.create_accounts(["reviser", "reviser-too"])
    path = f"/v1/accounts/{user.address}/scripts"
    with sieve(platform, user) as client:
        for number in (1, 2):
            script = f'require ["fileinto", "mailbox"];\r\nfileinto :create "Was-{number}";\r\n'
            assert client.put("a/b", script).startswith(b"OK")
        assert client.say(b'SETACTIVE "a/b"').startswith(b"OK")
    kept = json.loads(cli("account", "script", "list", user.address, "--json"))
    assert [(each["name"], each["version"], each["active"]) for each in kept] == [
        ("a/b", 0, True),
        ("a/b", 1, False),
    ]
    assert kept[1]["made_at"] < kept[1]["replaced_at"]
    assert "Was-2" in cli("account", "script", "show", user.address, "a/b")
    assert "Was-1" in cli("account", "script", "show", user.address, "a/b", "--version", "1")
    cli("account", "script", "restore", user.address, "a/b", "1")
    send(platform, "a@peer.invalid", user.address, "to the first")
    assert len(mailbox(platform, user, "Was-1", 1)) == 1
    assert "Was-2" in cli("account", "script", "show", user.address, "a/b", "--version", "2")
    assert cli.run("account", "script", "restore", user.address, "a/b", "9").returncode != 0
    # A user sees and restores his own, and nobody else's.
    assert ask(platform, user, "GET", path).json()[0]["name"] == "a/b"
    assert ask(platform, user, "POST", f"{path}/a%2Fb/restore", json={"version": 2}).status_code == 204
    assert ask(platform, other, "GET", path).status_code == 403
    assert ask(platform, other, "POST", f"{path}/a%2Fb/restore", json={"version": 1}).status_code == 403
    assert "Was-2" in ask(platform, user, "GET", f"{path}/a%2Fb").json()["script"]
