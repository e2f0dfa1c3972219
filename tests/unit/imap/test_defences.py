"""What one client cannot do to the others: too many connections or sessions, guessing, searches without end; and what is
not offered at all.
"""

import asyncio
from contextlib import closing

import pytest
from imap.edge.wire import Wire

from tests.support.imap_memory import PASSWORD, Imap

TOO_MANY = b"* BYE Too many connections from your address\r\n"


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("::1", "::1", False),
        ("", "", False),
    ],
)
def test_connections_of_one_address(first: str, second: str, is_one: bool) -> None:
    with closing(Imap(connections_an_address=2)) as imap:
        here = [imap.connect(peer_host=first) for _ in range(2)]
        assert all(client.exchange(b"").startswith(b"* OK") for client in here)
        another = imap.connect(peer_host=second)
        assert (another.exchange(b"") == TOO_MANY) is is_one
        assert another.is_over is is_one
        # One that leaves makes room, for one.
        here[0].exchange(b"a LOGOUT\r\n")
        assert here[0].is_over
        assert imap.connect(peer_host=second).exchange(b"").startswith(b"* OK")
        if is_one:
            assert imap.connect(peer_host=second).exchange(b"") == TOO_MANY


def test_any_number_where_no_limit_is_set() -> None:
    with closing(Imap(connections_an_address=0)) as imap:
        assert all(imap.connect(peer_host="192.0.2.1").exchange(b"").startswith(b"* OK") for _ in range(5))


def test_sessions_of_one_account() -> None:
    with closing(Imap(connections_a_user=2)) as imap:
        one, _ = imap.client(), imap.client()
        third = imap.connect()
        third.exchange(b"")
        assert third.say(f"LOGIN alice {PASSWORD}")[-1].startswith("NO [LIMIT]")
        assert third.say("SELECT INBOX")[-1].startswith("BAD"), "it is a stranger"
        assert imap.client("bob").say("NOOP")[-1].startswith("OK")
        one.exchange(b"a LOGOUT\r\n")
        assert third.say(f"LOGIN alice {PASSWORD}")[-1].startswith("OK")
        # Who stays, but as nobody, makes room too.
        assert third.say("UNAUTHENTICATE")[-1].startswith("OK")
        assert imap.client().say("NOOP")[-1].startswith("OK")


def test_who_guesses_waits_longer_each_time_and_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def pause(_wire: Wire, seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(Wire, "pause", pause)
    with closing(Imap(login_penalty_seconds=4.0)) as imap:
        client = imap.connect()
        client.exchange(b"")
        for _ in range(4):
            assert client.say("LOGIN alice wrong")[-1].startswith("NO [AUTHENTICATIONFAILED]")
        assert b"* BYE" in client.exchange(b"a LOGIN alice wrong\r\n")
        assert client.is_over
        assert waited == [4.0, 8.0, 15.0, 15.0, 15.0]
        # Who is right waits for nothing, and others do not either.
        assert imap.client().say("NOOP")[-1].startswith("OK")
        assert len(waited) == 5


def test_nobody_waits_for_a_server_that_goes_down() -> None:
    with closing(Imap(login_penalty_seconds=15.0)) as imap:
        client = imap.connect()
        client.exchange(b"")
        client._wire.draining.set()
        assert client.exchange(b"a LOGIN alice wrong\r\n").startswith(b"a NO [AUTHENTICATIONFAILED]")


async def test_the_wait_itself() -> None:
    class Silent:
        draining = asyncio.Event()

    wire = object.__new__(Wire)
    wire._held, wire._connection = [], Silent()  # type: ignore[assignment]
    await wire.pause(0.001)
    assert not Silent.draining.is_set()


def test_errors_are_counted() -> None:
    with closing(Imap(errors=3)) as imap:
        client = imap.client()
        for _ in range(3):
            assert client.say("NONSENSE")[-1].startswith("BAD")
        assert b"* BYE Too many errors" in client.exchange(b"a NONSENSE\r\n")
        assert client.is_over


@pytest.mark.parametrize(
    "search",
    [
        "NOT " * 51 + "ALL",
        "(" * 51 + "ALL" + ")" * 51,
        "OR ALL " * 51 + "ALL",
        "FUZZY " * 51 + "ALL",
        "ALL " * 1000 + "ALL",
        ",".join(["1:2"] * 10_001),
    ],
)
@pytest.mark.parametrize(
    "command", ["SEARCH {}", "SORT (DATE) UTF-8 {}", "THREAD REFS UTF-8 {}", "ESEARCH {}"]
)
def test_a_search_has_bounds(imap: Imap, command: str, search: str) -> None:
    client = imap.client(select="INBOX")
    assert client.say(command.format(search))[-1].startswith("BAD [LIMIT]")
    assert client.say("NOOP")[-1].startswith("OK")


@pytest.mark.parametrize(
    "command",
    [
        "SEARCH SUBJECT " + "x" * 70_000,
        "SEARCH" + " {1+}\r\nx" * 10_000,
        "APPEND INBOX" + " {1+}\r\nx" * 10_000,
        "SEARCH SUBJECT {70000+}\r\n" + "x" * 70_000,
        "FETCH 1 (" + "FLAGS " * 300 + "UID)",
        'LIST "" (' + "a " * 200 + "b)",
        "STORE 1 +FLAGS (" + "k" * 70_000 + ")",
    ],
    ids=lambda command: command[:15],
)
def test_every_limit_is_answered_by_its_command(imap: Imap, command: str) -> None:
    client = imap.client(select="INBOX")
    client.append("Subject: x\n\nx\n")
    client.say("NOOP")
    assert client.say(command)[-1].startswith("BAD [LIMIT] ")
    assert client.say("NOOP") == ["OK NOOP completed"]


def test_an_answer_that_is_too_long_is_refused_too() -> None:
    with closing(Imap()) as imap:
        client = imap.connect()
        client.exchange(b"")
        assert client.exchange(b"a AUTHENTICATE PLAIN\r\n") == b"+ \r\n"
        assert client.exchange(b"x" * 70_000 + b"\r\n").startswith(b"a BAD [LIMIT] ")
        client.say("LOGIN alice secret")
        client.exchange(b"b IDLE\r\n")
        assert client.exchange(b"x" * 70_000 + b"\r\n").startswith(b"b BAD ")
        assert client.say("NOOP") == ["OK NOOP completed"]


def test_a_search_within_them_is_done(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    client.append("Subject: x\n\nx\n")
    client.say("NOOP")
    for search in ("NOT " * 50 + "ALL", "(" * 50 + "ALL" + ")" * 50, "ALL " * 999 + "ALL"):
        assert client.say(f"SEARCH {search}")[0] == "* SEARCH 1"


def test_xlist_is_off(imap: Imap) -> None:
    client = imap.client()
    assert "XLIST" not in client.say("CAPABILITY")[0]
    assert client.say('XLIST "" *')[-1].startswith("BAD")


def test_without_safety_a_login_is_disabled_in_every_way() -> None:
    with closing(Imap(allow_plaintext_login="never", oauth="on")) as imap:
        client = imap.connect()
        assert b" LOGINDISABLED" in client.exchange(b"")
        for words in (
            "LOGIN alice secret",
            "AUTHENTICATE PLAIN",
            "AUTHENTICATE SCRAM-SHA-256",
            "AUTHENTICATE XOAUTH2 x",
        ):
            assert client.say(words)[-1].startswith("NO [PRIVACYREQUIRED]")
        assert "AUTH=" not in client.say("CAPABILITY")[0]


def test_where_a_proxy_decides_who_speaks_nobody_gives_a_connection_back() -> None:
    """RFC 8437 §7: it can be turned off."""
    with closing(Imap(unauthenticate="off")) as imap:
        client = imap.client()
        words = client.say("CAPABILITY")[0].split()
        assert "UNAUTHENTICATE" not in words
        assert "COMPRESS=DEFLATE" in words
        assert client.say("UNAUTHENTICATE")[-1].startswith("BAD")
        assert client.say("SELECT INBOX")[-1].startswith("OK")


def test_keywords_of_a_message_are_counted_over_all_commands(imap: Imap) -> None:
    alice = imap.client(select="INBOX")
    alice.append("Subject: x\n\nx\n")
    alice.append("Subject: y\n\ny\n")
    alice.say("NOOP")
    half = [" ".join(f"k{n}" for n in range(start, start + 32)) for start in (0, 32, 64)]
    for words in half[:2]:
        assert alice.say(f"STORE 1 +FLAGS.SILENT ({words})")[-1].startswith("OK")
    assert alice.say("STORE 1:2 +FLAGS (k64)")[-1].startswith("NO [LIMIT]")
    # Those that it has are no more by being given again, and others may take their places.
    assert alice.say(f"STORE 1 +FLAGS.SILENT ({half[0].upper()})")[-1].startswith("OK")
    assert alice.say("STORE 1 -FLAGS.SILENT (k0)")[-1].startswith("OK")
    assert alice.say("STORE 1:2 +FLAGS.SILENT (k64 \\Seen)")[-1].startswith("OK")
    assert alice.say(f"STORE 1 FLAGS ({half[2]})")[-1].startswith("OK")
