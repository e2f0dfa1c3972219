"""What users do in mailboxes that have a script is told (RFC 6785), and nothing else is."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from directoryclient import Identity, Unavailable
from directoryclient.sharing import Person
from imap.core.acting import KEPT_SECONDS, Cause, Scripted, tell_saved
from imap.core.places import Reach
from mailmodel import AccountRef
from mailstore import StoreUnavailable

from tests.support.imap_memory import Client, Imap

SCRIPT = 'SETMETADATA INBOX (/shared/imapsieve/script "main")'


class Heard:
    """What was told, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.now = 0.0
        self.scripted = Scripted(self, lambda: self.now)

    def __call__(self, owner: AccountRef, event: bytes) -> None:
        told = json.loads(event)
        assert (owner.tenant_id, owner.account_id) == (told["tenant_id"], told["account_id"])
        self.events.append(told)

    def take(self) -> list[tuple[str, list[int], list[str]]]:
        found = [(each["cause"], each["uids"], each["flags"]) for each in self.events]
        self.events.clear()
        return found


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def imap(heard: Heard) -> Iterator[Imap]:
    imap = Imap(scripted=heard.scripted, sieve_url="sieve://mail.a.test:4190")
    yield imap
    imap.close()


def filled(imap: Imap, heard: Heard, *flags: str) -> Client:
    """INBOX has a script and these messages, and is selected."""
    client = imap.client(select="INBOX")
    for each in flags:
        client.append("Subject: x\n\nx\n", flags=each)
    client.say("NOOP")
    assert client.say(SCRIPT)[-1].startswith("OK")
    assert heard.take() == []
    return client


Told = Sequence[tuple[str, list[int], list[str]]]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("STORE 1 +FLAGS (\\Flagged)", [("FLAG", [1], ["\\Flagged"])]),
        ("STORE 1:2 +FLAGS.SILENT (\\Seen)", [("FLAG", [1], ["\\Seen"])]),
        ("UID STORE 2 FLAGS (one)", [("FLAG", [2], ["\\Seen", "one"])]),
        ("STORE 1:2 FLAGS (\\Seen)", [("FLAG", [1], ["\\Seen"])]),
        (
            "STORE 1:2 FLAGS (\\Answered)",
            [("FLAG", [1], ["\\Answered"]), ("FLAG", [2], ["\\Seen", "\\Answered"])],
        ),
        ("STORE 2 -FLAGS (\\Seen)", [("FLAG", [2], ["\\Seen"])]),
        ("STORE 2 +FLAGS (\\Seen)", []),
        ("STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)", []),
        ("FETCH 1:2 BODY[]", [("FLAG", [1], ["\\Seen"])]),
        ("FETCH 1:2 BODY.PEEK[]", []),
        ("COPY 1:2 INBOX", [("COPY", [3, 4], [])]),
        ("COPY 1 Archive", []),
        ("MOVE 1 Archive", []),
        ("EXPUNGE", []),
        ("SEARCH ALL", []),
    ],
)
def test_what_is_done_where_a_script_is(imap: Imap, heard: Heard, command: str, told: Told) -> None:
    client = filled(imap, heard, "()", "(\\Seen)")
    assert client.say(command)[-1].startswith("OK")
    assert heard.take() == told


def test_new_messages_however_they_come(imap: Imap, heard: Heard) -> None:
    client = filled(imap, heard, "()")
    assert "APPENDUID" in client.append("Subject: y\n\ny\n")
    assert heard.take() == [("APPEND", [2], [])]
    two = b"APPEND INBOX {3+}\r\na:b {3+}\r\na:c"
    assert client.say(two)[-1].startswith("OK")
    assert heard.take() == [("APPEND", [3, 4], [])]
    assert client.say(b"UID REPLACE 4 INBOX {3+}\r\na:d")[-1].startswith("OK")
    assert heard.take() == [("APPEND", [5], [])]
    client.append("Subject: z\n\nz\n", mailbox="Archive")
    assert client.say("SELECT Archive")[-1].startswith("OK")
    assert client.say("MOVE 1 INBOX")[-1].startswith("OK")
    assert heard.take() == [("COPY", [6], [])]


def test_who_did_it_and_whose_it_is(imap: Imap, heard: Heard) -> None:
    client = filled(imap, heard, "()")
    client.say("STORE 1 +FLAGS (x)")
    client.say("STORE 1 -FLAGS (X)")
    first, second = heard.events
    assert (first["owner"], first["user"]) == ("alice@example.test", "alice@example.test")
    assert first["event_id"] != second["event_id"]
    assert second["flags"] == ["x"]
    assert first["at"] > 1_700_000_000_000


def test_one_script_for_all_mailboxes_of_an_account(imap: Imap, heard: Heard) -> None:
    client = filled(imap, heard)
    assert client.say('SETMETADATA "" (/shared/imapsieve/script "main")')[-1].startswith("OK")
    client.append("Subject: z\n\nz\n", mailbox="Archive")
    assert [cause for cause, _, _ in heard.take()] == ["APPEND"]
    # Another entry of the server cannot be set still.
    assert client.say('SETMETADATA "" (/shared/other "x")')[-1].startswith("NO")


def test_a_script_that_is_taken_away_or_set_elsewhere(imap: Imap, heard: Heard) -> None:
    client = filled(imap, heard, "()")
    assert client.say("SETMETADATA INBOX (/shared/imapsieve/script NIL)")[-1].startswith("OK")
    client.say("STORE 1 +FLAGS (x)")
    assert heard.take() == []
    # By a process that is not told of here: known a little later.
    box = imap.wait_for(imap.store.get_mailbox(AccountRef("tenant", "alice"), "INBOX"))
    imap.wait_for(
        imap.store.change_annotations(
            AccountRef("tenant", "alice"), box.mailbox_id, {"/shared/imapsieve/script": b"main"}
        )
    )
    client.say("STORE 1 -FLAGS (x)")
    assert heard.take() == []
    heard.now += KEPT_SECONDS
    client.say("STORE 1 +FLAGS (x)")
    assert heard.take() == [("FLAG", [1], ["x"])]


def test_where_nobody_can_say_the_mda_looks(imap: Imap, heard: Heard) -> None:
    client = imap.client(select="INBOX")

    async def away(*_asked: object) -> None:
        raise StoreUnavailable("away")

    imap.store.annotations_named = away
    assert "APPENDUID" in client.append("Subject: x\n\nx\n")
    assert heard.take() == [("APPEND", [1], [])]


def test_it_is_offered_where_it_is_set_up_and_only_then(imap: Imap) -> None:
    assert " IMAPSIEVE=sieve://mail.a.test:4190" in imap.client().say("CAPABILITY")[0]
    other = Imap()
    try:
        client = other.client(select="INBOX")
        assert "IMAPSIEVE" not in client.say("CAPABILITY")[0]
        assert client.say(SCRIPT)[-1].startswith("OK")
        assert "APPENDUID" in client.append("Subject: x\n\nx\n")
    finally:
        other.close()


class People:
    """Who owns what; away when it is told so."""

    is_away = False

    async def by_id(self, tenant_id: str, account_ids: Sequence[str]) -> dict[str, Person]:
        if self.is_away:
            raise Unavailable("away")
        return {"bob": Person("bob", "bob@example.test", shared=False)} if "bob" in account_ids else {}


@pytest.mark.parametrize("owner", ["bob", "nobody"])
def test_in_a_mailbox_of_others_its_owner_is_named_and_who_did_it(heard: Heard, owner: str) -> None:
    people = People()

    async def named(*_asked: object) -> dict[tuple[int, str], bytes]:
        return {(5, "/shared/imapsieve/script"): b"main"}

    session: Any = SimpleNamespace(
        scripted=heard.scripted,
        who=Identity(AccountRef("tenant", "alice"), "alice@example.test", "store"),
        people=people,
        store=SimpleNamespace(annotations_named=named),
    )
    reach = Reach(AccountRef("tenant", owner), 5, reader_id="alice")
    asyncio.run(tell_saved(session, reach, [1, 2], Cause.COPY))
    told = [(each["owner"], each["user"], each["account_id"], each["uids"]) for each in heard.events]
    # Nobody's script runs for somebody who is not there.
    assert told == ([("bob@example.test", "alice@example.test", "bob", [1, 2])] if owner == "bob" else [])
    heard.events.clear()
    people.is_away = True
    asyncio.run(tell_saved(session, reach, [3], Cause.COPY))
    assert heard.events == []


def test_many_messages_are_several_events(heard: Heard) -> None:
    async def named(*_asked: object) -> dict[tuple[int, str], bytes]:
        return {(0, "/shared/imapsieve/script"): b"main"}

    session: Any = SimpleNamespace(
        scripted=heard.scripted,
        who=Identity(AccountRef("tenant", "alice"), "alice@example.test", "store"),
        store=SimpleNamespace(annotations_named=named),
    )
    reach = Reach(AccountRef("tenant", "alice"), 5)
    asyncio.run(tell_saved(session, reach, list(range(1, 1202)), Cause.COPY))
    assert [len(each["uids"]) for each in heard.events] == [500, 500, 201]
    assert len({each["event_id"] for each in heard.events}) == 3
