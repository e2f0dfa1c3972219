"""Scripts that run when users append, copy and flag messages over IMAP (RFC 6785)."""

import imaplib
import time
from collections.abc import Callable

from tests.e2e.test_four_scenarios import wait_for_subject
from tests.e2e.test_sieve import imap, sieve
from tests.support.platform import Platform

SCRIPT = """require ["imapsieve", "environment", "fileinto", "copy", "imap4flags", "mailbox", "enotify"];
if environment :is "imap.cause" "APPEND" {
  addflag "task";
  fileinto :copy :create :flags "\\\\Seen" "All tasks";
} elsif environment :is "imap.cause" "COPY" {
  redirect :copy "%s";
} elsif allof (environment :contains "imap.changedflags" "\\\\Flagged", hasflag "\\\\Flagged",
               environment :is "imap.user" "%s", environment :is "imap.mailbox" "INBOX") {
  addflag "urgent";
} elsif environment :contains "imap.changedflags" "done" {
  fileinto :create "Done";
}
"""


def until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def flags(session: imaplib.IMAP4, number: str) -> bytes:
    session.noop()
    # imaplib puts what was told unasked before it.
    data = session.fetch(number, "(FLAGS)")[1][-1]
    return data if isinstance(data, bytes) else b""


def append(session: imaplib.IMAP4, mailbox: str, subject: str, text: str = "x") -> None:
    answer, said = session.append(mailbox, "", "", f"Subject: {subject}\r\n\r\n{text}\r\n".encode())
    assert answer == "OK", said


def count(session: imaplib.IMAP4, mailbox: str) -> bytes:
    answer, [status] = session.status(mailbox, "(MESSAGES)")
    return status.rpartition(b"MESSAGES ")[2] if answer == "OK" else b""


def test_a_script_runs_at_what_its_user_does(platform: Platform) -> None:
    user, other = platform.create_accounts(["tasker", "archivist"])
    with sieve(platform, user) as client:
        assert b"imapsieve" in client.capabilities
        assert client.put("tasks", SCRIPT % (other.address, user.address)).startswith(b"OK")
    with imap(platform, user) as session:
        assert (
            f"IMAPSIEVE=sieve://localhost:{platform.ports.managesieve}" in session.capability()[1][0].decode()
        )
        append(session, "INBOX", "before there was a script")
        assert session.xatom("SETMETADATA", "INBOX", '(/shared/imapsieve/script "tasks")')[0] == "OK"
        append(session, "INBOX", "a task", "to be done")
        append(session, "Drafts", "elsewhere")
        session.select("INBOX")
        until(lambda: b"task" in flags(session, "2"), "the flag was not set")
        assert count(session, '"All tasks"') == b"1)"
        # What its user does now runs it; what it has done itself did not.
        session.store("2", "+FLAGS", "(\\Flagged)")
        until(lambda: b"urgent" in flags(session, "2"), "the script did not run at a change of flags")
        session.copy("2", "INBOX")
        sent_on = wait_for_subject(platform, other.address, other.password, "a task")
        assert sent_on.endswith(b"Subject: a task\r\n\r\nto be done\r\n")
        assert f"Return-Path: <{user.address}>".encode() in sent_on
        session.store("2", "+FLAGS", "(done)")
        until(lambda: b"\\Deleted" in flags(session, "2"), "what was filed elsewhere was not marked")
        assert count(session, "Done") == b"1)"
        assert count(session, '"All tasks"') == b"1)"
        assert b"task" not in flags(session, "1")
        session.select('"All tasks"', readonly=True)
        assert b"\\Seen" in flags(session, "1")
        # Without its name nothing runs any more.
        session.unselect()
        assert session.xatom("SETMETADATA", "INBOX", "(/shared/imapsieve/script NIL)")[0] == "OK"
        session.select("INBOX")
        append(session, "INBOX", "afterwards")
        session.store("4", "+FLAGS", "(\\Flagged)")
        assert count(session, '"All tasks"') == b"1)"
        assert b"urgent" not in flags(session, "4")
