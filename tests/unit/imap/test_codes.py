"""The response codes of RFC 5530: each that this server has is said by it when its reason is there, in a tagged answer."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import imap as package
import pytest
from directoryclient import Throttled, Unavailable
from mailstore import BodyCorrupt, QuotaExceeded, StoreUnavailable

from tests.support.imap_memory import PASSWORD, Client, Imap

RFC_5530 = {
    *(
        "UNAVAILABLE",
        "AUTHENTICATIONFAILED",
        "AUTHORIZATIONFAILED",
        "EXPIRED",
        "PRIVACYREQUIRED",
        "CONTACTADMIN",
    ),
    *(
        "NOPERM",
        "INUSE",
        "EXPUNGEISSUED",
        "CORRUPTION",
        "SERVERBUG",
        "CLIENTBUG",
        "CANNOT",
        "LIMIT",
        "OVERQUOTA",
    ),
    *("ALREADYEXISTS", "NONEXISTENT"),
}
# A refused login says nothing of what was right about it; nothing here is ever locked by another; and a key that was
# deleted (CONTACTADMIN) is tested where there are keys.
NOT_HERE = {"AUTHORIZATIONFAILED", "EXPIRED", "INUSE"}
ELSEWHERE = {"CONTACTADMIN"}


def raising(error: Exception) -> Callable[..., Any]:
    async def fails(*_arguments: object, **_named: object) -> None:
        raise error

    return fails


def unwell(imap: Imap, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception, command: str) -> str:
    client = imap.client(select="INBOX")
    client.append("Subject: x\n\nx\n")
    client.say("NOOP")
    monkeypatch.setattr(imap.store, method, raising(error))
    said = client.say(command)[-1]
    monkeypatch.undo()
    # The session goes on.
    assert client.say("NOOP")[-1].startswith("OK")
    return said


@pytest.mark.parametrize(
    ("method", "error", "command", "answer"),
    [
        ("create_mailbox", StoreUnavailable("away"), "CREATE x", "NO [UNAVAILABLE]"),
        ("expunge", StoreUnavailable("away"), "EXPUNGE", "NO [UNAVAILABLE]"),
        ("read_whole", BodyCorrupt("damaged"), "FETCH 1 BODY[1]", "NO [CORRUPTION]"),
        ("copy", QuotaExceeded("account"), "COPY 1 Sent", "NO [OVERQUOTA]"),
        ("append", QuotaExceeded("tenant"), "APPEND INBOX {1+}\r\nx", "NO [OVERQUOTA]"),
        ("subscribe", RuntimeError("a bug"), "SUBSCRIBE x", "NO [SERVERBUG]"),
    ],
)
def test_what_is_wrong_with_us(
    imap: Imap, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception, command: str, answer: str
) -> None:
    if method == "read_whole":
        monkeypatch.setattr(imap.store, "read", raising(error))
    assert unwell(imap, monkeypatch, method, error, command).startswith(answer)


@pytest.mark.parametrize("error", [Unavailable("away"), Throttled(3.0)])
def test_a_login_that_cannot_be_checked_now(error: Exception) -> None:
    class Away:
        authenticate = authenticate_token = start_scram = staticmethod(raising(error))

    with closing(Imap(directory=Away(), oauth="on")) as imap:
        client = imap.connect()
        client.exchange(b"")
        for command in (
            "LOGIN alice secret",
            "AUTHENTICATE PLAIN AGEAYg==",
            "AUTHENTICATE XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIGIBAQ==",
        ):
            assert client.say(command)[-1].startswith("NO [UNAVAILABLE]"), command


def said_to(client: Client, command: str) -> str:
    return client.say(command)[-1]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("SELECT Nowhere", "NO [NONEXISTENT]"),
        ("CREATE INBOX", "NO [ALREADYEXISTS]"),
        ("DELETE INBOX", "NO [CANNOT]"),
        ("SEARCH " + "NOT " * 60 + "ALL", "BAD [LIMIT]"),
        ("STORE 9 FLAGS ()", "BAD [CLIENTBUG]"),
        ('CREATE "Other Users/x@y.test/z"', "NO [NOPERM]"),
        ("FETCH 1:2 FLAGS", "OK [EXPUNGEISSUED]"),
    ],
)
def test_what_is_wrong_with_a_command(imap: Imap, command: str, answer: str) -> None:
    client, other = imap.client(select="INBOX"), imap.client(select="INBOX")
    for _ in range(2):
        client.append("Subject: x\n\nx\n")
    other.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    client.say("NOOP")
    other.say("NOOP")
    other.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.say("EXPUNGE")
    assert said_to(client, command).startswith(answer)


def test_logins() -> None:
    with closing(Imap(allow_plaintext_login="never")) as imap:
        clear = imap.connect()
        clear.exchange(b"")
        assert said_to(clear, f"LOGIN alice {PASSWORD}").startswith("NO [PRIVACYREQUIRED]")
        safe = imap.connect(is_tls=True)
        safe.exchange(b"")
        assert said_to(safe, "LOGIN alice wrong").startswith("NO [AUTHENTICATIONFAILED]")


def test_no_code_is_left_out_here() -> None:
    """Every code that stands in the service is one that a test in this file asks for."""
    source = "".join(path.read_text() for path in Path(str(package.__file__)).parent.rglob("*.py"))
    said = set(re.findall(r'"([A-Z]+)"', source)) & RFC_5530
    asked = set(re.findall(r"\[([A-Z]+)\]", Path(__file__).read_text()))
    assert said == RFC_5530 - NOT_HERE
    assert said - ELSEWHERE <= asked
