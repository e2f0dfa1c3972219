"""How many mailboxes an account has, and how many names it subscribes, has an end: LIST holds them all."""

import pytest
from mailstore import mailboxes

from tests.support.imap_memory import Client, Imap

FULL = "NO [LIMIT]"


@pytest.fixture
def client(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> Client:
    # Six are there from the beginning, and subscribed.
    monkeypatch.setattr(mailboxes, "MOST", 8)
    return imap.client("alice@a.test")


def test_what_is_beyond_is_refused_and_nothing_of_it_is_there(client: Client) -> None:
    assert client.say("CREATE a/b/c")[-1].startswith(FULL)
    assert client.say('LIST "" a*') == ["OK LIST completed"]
    assert client.say("CREATE a/b")[-1].startswith("OK")
    assert client.say("CREATE c")[-1].startswith(FULL)
    assert client.say("CREATE a/b")[-1].startswith("NO [ALREADYEXISTS]")
    assert client.say("RENAME a/b c/b")[-1].startswith(FULL)
    assert client.say("RENAME INBOX old")[-1].startswith(FULL)
    assert client.say("RENAME a/b c")[-1].startswith("OK")
    assert client.say("DELETE c")[-1].startswith("OK")
    assert client.say("CREATE d")[-1].startswith("OK")


def test_subscribed_names_have_an_end_too(client: Client) -> None:
    assert client.say("SUBSCRIBE x")[-1].startswith("OK")
    assert client.say("SUBSCRIBE y")[-1].startswith("OK")
    assert client.say("SUBSCRIBE z")[-1].startswith(FULL)
    # It is there already.
    assert client.say("SUBSCRIBE y")[-1].startswith("OK")
    assert client.say("UNSUBSCRIBE x")[-1].startswith("OK")
    assert client.say("SUBSCRIBE z")[-1].startswith("OK")
