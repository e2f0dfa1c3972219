"""The loss of the whole bus loses nothing: what was accepted is found in the storage and put back."""

import json
import shutil
import smtplib
import subprocess
import sys
from typing import Any

from tests.e2e.conftest import Apart
from tests.e2e.letters import after_trace, plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Platform

COUNT = 20


def respool(platform: Platform, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "posthouse", "respool", "--json", "--settled-for", "0"),
            *("--data", str(platform.folder), *words),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_a_lost_bus_held_is_put_back_once(apart: Apart) -> None:
    platform = apart.platform
    apart.dns.mx("waits.test", "mx.waits.test")
    apart.sink.script["RCPT"] = "451 4.2.1 later"
    # Of the tests before: what was filed and sent, and what killed gates had stored and never answered for.
    before = respool(platform, "--dry-run")
    settled, unanswered = before["settled"], before["put_back"]
    alice, bob = platform.account("alice"), platform.account("bob")
    filed = plain("filed before", "x@peer.invalid", bob.address)
    letters = [plain(f"lost {number:02}", "x@peer.invalid", bob.address) for number in range(COUNT)]
    with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
        session.login(alice.address, alice.password)
        session.sendmail(alice.address, ["someone@waits.test"], plain("waits", alice.address, "x").content)
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        session.sendmail("x@peer.invalid", [bob.address], filed.content)
    wait_for_subject(platform, bob.address, bob.password, "filed before")
    with platform.held_down("mda"):
        with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
            for letter in letters:
                session.sendmail("x@peer.invalid", [bob.address], letter.content)
        assert respool(platform, "--dry-run")["on_the_bus"] == COUNT
        platform.kill_all()
    shutil.rmtree(platform.folder / "nats" / "jetstream")
    platform.up()
    platform.wait_ready()

    foreseen = respool(platform, "--dry-run")
    found = respool(platform)
    assert foreseen["put_back"] == found["put_back"] == unanswered + COUNT
    # The one that was filed, and the one that waits in the queue's table.
    assert found["settled"] == settled + 2
    for letter in letters:
        arrived = wait_for_subject(platform, bob.address, bob.password, letter.name)
        assert after_trace(arrived, letter.content) == letter.content

    again = respool(platform)
    assert (again["put_back"], again["settled"], again["on_the_bus"]) == (
        0,
        settled + unanswered + COUNT + 2,
        0,
    )
    assert again["altered"] == again["unreadable"] == []
