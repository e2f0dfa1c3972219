"""Who has changed something itself does not look for it again, and is told of everything that others did beside."""

from collections.abc import Callable
from typing import Any

import pytest
from mailstore import MailboxChange

from tests.support.imap_memory import Client, Imap

LETTER = "Subject: hello\n\nx\n"


class Watched:
    """A server whose notices come after the answers, as over a bus, and that counts looks for changes."""

    def __init__(self, imap: Imap) -> None:
        self._imap = imap
        self._held: list[MailboxChange] = []
        imap.store.tell = self._held.append
        self.looks = 0
        plain: Callable[..., Any] = imap.store.changes_since

        async def changes_since(*values: Any) -> Any:
            self.looks += 1
            return await plain(*values)

        imap.store.changes_since = changes_since

    def say(self, client: Client, command: str) -> list[str]:
        """A command; then what it has told comes to everybody."""
        answer = client.say(command)
        for change in self._held:
            self._imap.changes.tell(change)
        self._held.clear()
        return answer

    def looks_for(self, client: Client, command: str) -> int:
        """How often a command looks for changes."""
        before = self.looks
        assert self.say(client, command)[-1].startswith("OK")
        return self.looks - before


@pytest.fixture
def server(imap: Imap) -> Watched:
    watched = Watched(imap)
    one = imap.client(select="INBOX")
    for _ in range(4):
        one.append(LETTER)
    one.say("LOGOUT")
    return watched


@pytest.mark.parametrize("enable", ["NOOP", "ENABLE CONDSTORE", "ENABLE QRESYNC"])
def test_nothing_is_looked_for_after_ones_own_changes(imap: Imap, server: Watched, enable: str) -> None:
    one = imap.client()
    one.say(enable)
    server.say(one, "SELECT INBOX")
    server.say(one, "NOOP")
    assert server.looks_for(one, "STORE 1 +FLAGS (\\Flagged)") == 0
    assert server.looks_for(one, "STORE 2:4 +FLAGS.SILENT (work)") == 0
    assert server.looks_for(one, "FETCH 1:* BODY[]") == 0
    # Nothing changed: nothing is told, and nothing looked for.
    assert server.looks_for(one, "STORE 1 +FLAGS (\\Flagged)") == 0
    assert server.looks_for(one, "NOOP") == 1


def test_what_others_did_before_is_found_all_the_same(imap: Imap, server: Watched) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    one.say("NOOP")
    two.say("NOOP")
    # Two does not hear of it before it changes something itself.
    one.say("STORE 4 +FLAGS (\\Seen)")
    assert [line.split(" FETCH")[0] for line in two.say("STORE 1 +FLAGS (\\Flagged)")[:-1]] == ["* 1"]
    # The notice comes, and later its own ones.
    server.say(two, "STORE 2 +FLAGS (\\Flagged)")
    told = two.say("FETCH 3 UID")
    assert [line for line in told if "* 4 FETCH" in line and "\\Seen" in line], told


def test_a_client_that_knows_modseqs_is_told_of_others_in_the_same_answer(
    imap: Imap, server: Watched
) -> None:
    one, two = imap.client(select="INBOX"), imap.client()
    two.say("ENABLE CONDSTORE")
    two.say("SELECT INBOX")
    two.say("NOOP")
    one.say("STORE 4 +FLAGS (\\Seen)")
    told = two.say("STORE 1 +FLAGS (\\Flagged)")
    assert [line.split(" FETCH")[0] for line in told[:-1]] == ["* 1", "* 4"]
    # The highest MODSEQ it has seen is all it needs to say.
    assert server.looks_for(two, "STORE 2 +FLAGS (\\Flagged)") == 0


def test_a_conditional_store_fails_for_what_others_changed(imap: Imap, server: Watched) -> None:
    one, two = imap.client(select="INBOX"), imap.client()
    two.say("ENABLE CONDSTORE")
    known = next(line for line in two.say("SELECT INBOX") if "HIGHESTMODSEQ" in line)
    modseq = int(known.split("HIGHESTMODSEQ ")[1].split("]")[0])
    one.say("STORE 2 +FLAGS (\\Seen)")
    told = two.say(f"STORE 1:3 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Flagged)")
    assert "[MODIFIED 2]" in told[-1]
    assert {line.split(" FETCH")[0] for line in told[:-1]} == {"* 1", "* 2", "* 3"}
