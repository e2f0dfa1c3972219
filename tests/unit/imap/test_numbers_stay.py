"""While sequence numbers of a command could be meant no message goes (RFC 3501 §7.4.1, RFC 5256 §3, RFC 9051 §7.5.1)."""

import pytest

from tests.support.imap_memory import Imap


@pytest.mark.parametrize(
    ("command", "goes"),
    [
        ("FETCH 3 FLAGS", False),
        ("STORE 3 +FLAGS (\\Seen)", False),
        ("SEARCH ALL", False),
        ("SEARCH RETURN (COUNT) ALL", False),
        ("SORT (SUBJECT) UTF-8 ALL", False),
        ("THREAD ORDEREDSUBJECT UTF-8 ALL", False),
        ("UID FETCH 3 FLAGS", True),
        ("UID SORT (SUBJECT) UTF-8 ALL", True),
        ("UID THREAD ORDEREDSUBJECT UTF-8 ALL", True),
        ("COPY 3 Archive", True),
        ("NOOP", True),
    ],
)
def test_an_expunge_by_another_waits_for_a_command_that_lets_it(imap: Imap, command: str, goes: bool) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for subject in "abc":
        one.append(f"Subject: {subject}\n\nx\n")
    two.say("NOOP")
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    said = two.say(command)
    assert said[-1].startswith("OK"), said
    assert ("* 1 EXPUNGE" in said) is goes
    assert ("* 1 EXPUNGE" in two.say("NOOP")) is not goes
