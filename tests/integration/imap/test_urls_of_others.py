"""URLs that users sign for one another (RFC 4467), and what a reader notes of another's mailbox, on the real store."""

import re
from collections.abc import Callable

import pytest

from tests.support.imap_memory import Client, Imap

from .conftest import Town

MESSAGE = "Subject: hello\n\nbody\n"
BOX = '"Other Users/bob@a.test/Box"'


def people(imap: Imap) -> tuple[Client, Client, Client]:
    alice, bob, carol = (imap.client(f"{name}@a.test") for name in ("alice", "bob", "carol"))
    bob.say("CREATE Box")
    bob.append(MESSAGE, "Box")
    return alice, bob, carol


def sign(client: Client, name: str, mailbox: str, access: str) -> str:
    rump = f"imap://{name}%40a.test@localhost/{mailbox}/;UID=1/;SECTION=TEXT;URLAUTH={access}"
    said = client.say(f'GENURLAUTH "{rump}" INTERNAL')
    assert said[-1].startswith("OK"), said
    found = re.search('"(.*)"', said[0])
    assert found is not None
    return found[1]


def reaches(client: Client, url: str) -> bool:
    said = client.say(f'URLFETCH "{url}"')
    assert said[-1] == "OK URLFETCH completed"
    return "body" in said


def test_who_may_use_a_url(imap: Imap, town: Town) -> None:
    alice, bob, carol = people(imap)
    eve = imap.client("eve@b.test")
    for access in ("anonymous", "authuser"):
        url = sign(bob, "bob", "Box", access)
        assert [reaches(client, url) for client in (alice, bob, carol)] == [True] * 3
        # A tenant is a wall, whatever the URL says.
        assert not reaches(eve, url)
    url = sign(bob, "bob", "Box", "user+Alice%40a.test")
    assert [reaches(client, url) for client in (alice, bob, carol, eve)] == [True, False, False, False]
    assert alice.say(f'APPEND INBOX CATENATE (URL "{url}")')[-1].startswith("OK")
    assert carol.say(f'APPEND INBOX CATENATE (URL "{url}")')[-1].startswith(f'NO [BADURL "{url}"]')
    rump = "imap://bob%40a.test@localhost/Box/;UID=1;URLAUTH=user+nobody%40a.test"
    assert bob.say(f'GENURLAUTH "{rump}" INTERNAL')[-1].startswith("BAD")
    # Who is suspended hands out nothing more.
    url = sign(bob, "bob", "Box", "anonymous")
    town.suspended.add("bob@a.test")
    assert not reaches(alice, url)
    town.suspended.clear()
    assert reaches(alice, url)


def test_a_url_for_a_submission_is_for_servers_that_submit(server: Callable[..., Imap]) -> None:
    imap = server(submission_logins="Postman@a.test")
    alice, bob, _ = people(imap)
    postman = imap.client("postman@a.test")
    url = sign(bob, "bob", "Box", "submit+bob%40a.test")
    assert [reaches(client, url) for client in (alice, bob, postman)] == [False, False, True]


def test_a_reader_signs_with_a_key_of_his_own_and_for_what_he_may_read(imap: Imap) -> None:
    alice, bob, carol = people(imap)
    rump = "imap://alice%40a.test@localhost/Other%20Users/bob%40a.test/Box/;UID=1;URLAUTH=anonymous"
    assert alice.say(f'GENURLAUTH "{rump}" INTERNAL')[-1].startswith("BAD")
    bob.say("SETACL Box alice@a.test lr")
    url = sign(alice, "alice", "Other%20Users/bob%40a.test/Box", "authuser")
    owners = sign(bob, "bob", "Box", "authuser")
    assert reaches(carol, url)
    assert reaches(bob, url)
    assert bob.say("RESETKEY Box")[-1] == "OK [URLMECH INTERNAL] RESETKEY completed"
    assert (reaches(carol, url), reaches(carol, owners)) == (True, False)
    # It reaches what the signer reaches now.
    bob.say("SETACL Box alice@a.test l")
    assert not reaches(carol, url)
    bob.say("SETACL Box alice@a.test lr")
    assert reaches(carol, url)
    assert alice.say(f"RESETKEY {BOX}")[-1] == "OK [URLMECH INTERNAL] RESETKEY completed"
    assert not reaches(carol, url)
    url = sign(alice, "alice", "Other%20Users/bob%40a.test/Box", "authuser")
    assert alice.say("RESETKEY")[-1] == "OK RESETKEY completed"
    assert not reaches(carol, url)
    assert carol.say(f"RESETKEY {BOX}")[-1].startswith("NO [NONEXISTENT]")


@pytest.mark.parametrize("forged", ["alice", "carol"])
def test_nobody_signs_for_another(imap: Imap, forged: str) -> None:
    alice, bob, _ = people(imap)
    bob.say("SETACL Box alice@a.test lr")
    rump = f"imap://{forged}%40a.test@localhost/Box/;UID=1;URLAUTH=anonymous"
    assert bob.say(f'GENURLAUTH "{rump}" INTERNAL')[-1].startswith("BAD")
    # One's own signature is nothing under another's name.
    mine = sign(alice, "alice", "Other%20Users/bob%40a.test/Box", "anonymous")
    assert not reaches(alice, mine.replace("alice%40", "bob%40").replace("Other%20Users/bob%40a.test/", ""))
