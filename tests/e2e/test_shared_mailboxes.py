"""A shared mailbox in a whole installation: made by the operator's command, written to by strangers, read by a team."""

import json
import os
import smtplib
import subprocess
import sys
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from tests.support.platform import Account, Platform


def command(platform: Platform, *words: str) -> Any:
    """`posthouse mailbox ...`; what it prints."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "posthouse"), *words, "--json", "--data", str(platform.folder)],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def client(platform: Platform, account: Account) -> IMAPClient:
    session = IMAPClient("127.0.0.1", port=platform.ports.imap, ssl=False, use_uid=True)
    session.login(account.address, account.password)
    return session


def idle(session: IMAPClient, what: bytes) -> None:
    """Until it is told."""
    heard: list[Any] = []
    for _ in range(20):
        heard += session.idle_check(timeout=1)
        if any(what in each for each in heard):
            return
    raise AssertionError(heard)


def test_a_team_reads_what_comes_to_its_address(platform: Platform) -> None:
    team = f"shared-team@{platform.domain}"
    alice, bob = platform.create_accounts(["shared-alice", "shared-bob"])
    assert command(platform, "mailbox", "create", team, "--display-name", "Team")["shared"]
    assert command(platform, "mailbox", "rights", team, alice.address, "lrswite") == {"rights": "lrswited"}
    command(platform, "mailbox", "rights", team, bob.address, "lrs")
    command(platform, "mailbox", "create", team, "INBOX/Done")
    listed = {each["name"]: each["rights"] for each in command(platform, "mailbox", "list", team)}
    assert listed["INBOX/Done"] == {alice.address: "lrswite", bob.address: "lrs"}
    one, other = client(platform, alice), client(platform, bob)
    inbox = f"Shared/{team}/INBOX"
    assert inbox in [name for _, _, name in one.list_folders()]
    one.select_folder(inbox)
    # Who may change nothing that others see has it read-only (RFC 4314 §5.2), which imaplib wants to be asked for.
    other.select_folder(inbox, readonly=True)
    for session in (one, other):
        session.idle()
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as door:
        door.sendmail("stranger@remote.test", [team], b"Subject: help\r\n\r\nhelp us\r\n")
    for session in (one, other):
        idle(session, b"EXISTS")
        session.idle_done()
    # What one has seen the other has not; and what he does with it both see.
    one.fetch("1", ["BODY[]"])
    assert b"\\Seen" in one.get_flags("1")[1]
    assert b"\\Seen" not in other.get_flags("1")[1]
    other.idle()
    one.move("1", f"Shared/{team}/INBOX/Done")
    idle(other, b"EXPUNGE")
    other.idle_done()
    # Rights go at once, in another process of imap too.
    command(platform, "mailbox", "rights", team, bob.address, "none")
    other.noop()
    assert inbox not in [name for _, _, name in other.list_folders()]
    one.logout()
    other.logout()
    command(platform, "mailbox", "delete", team)


def test_mail_within_a_family(platform: Platform) -> None:
    carol, dave = platform.create_accounts(["shared-carol", "shared-dave"])
    mine, his = client(platform, carol), client(platform, dave)
    mine.append("INBOX", b"Subject: mine\r\n\r\nmine\r\n")
    mine._imap.setacl("INBOX", dave.address, "lr")
    name = f"Other Users/{carol.address}/INBOX"
    his.select_folder(name, readonly=True)
    his.copy("1", "INBOX")
    his.select_folder("INBOX")
    assert b"mine" in his.fetch("1", ["BODY[]"])[1][b"BODY[]"]
    mine.logout()
    his.logout()
