"""SEARCH through the texts in PostgreSQL: what it finds is what a look at every message finds; words, and FUZZY."""

import base64
import quopri
import random
from collections.abc import Callable
from typing import Any

import pytest
from directoryclient.policies import AccountSettings, TenantPolicy
from imap.core.filling import Filler
from imap.documents import text_of
from mailstore import texts

from tests.support.documents import docx, pdf
from tests.support.imap_memory import Client, Imap

SEED = 20261121
WORDS = [
    "Straße",
    "STRASSE",
    "über",
    "Übung",
    "naïve",
    "Ναός",
    "running",
    "ran",
    "runs",
    "mañana",
    "report",
    "Reports",
    "100%",
    "under_score",
    "back\\slash",
]


class Chosen:
    """What the tenant and the account chose."""

    def __init__(self, text_search: str = "", locale: str = "") -> None:
        self.text_search, self.locale = text_search, locale

    async def of(self, tenant_id: str) -> TenantPolicy:
        return TenantPolicy(text_search=self.text_search)

    async def of_account(self, account_id: str) -> AccountSettings:
        return AccountSettings(locale=self.locale)


def message(random: random.Random) -> bytes:
    """Some words, in one of the forms in which bodies come."""
    text = "\r\n".join(" ".join(random.choices(WORDS, k=6)) for _ in range(4)) + "\r\n"
    kind = random.choice(("8bit", "base64", "qp", "latin1", "parts", "html", "nul"))
    head = f"Subject: {random.choice(('hello', 'work'))}\r\nFrom: a@a.test\r\nMIME-Version: 1.0\r\n".encode()
    utf8 = b"Content-Type: text/plain; charset=utf-8\r\n"
    octets = text.encode()
    if kind == "base64":
        return head + utf8 + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets)
    if kind == "qp":
        coded = quopri.encodestring(octets)
        return head + utf8 + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + coded
    if kind == "latin1":
        latin = text.encode("latin-1", "replace")
        return head + b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n" + latin
    if kind == "parts":
        part = b"--b\r\n" + utf8 + b"\r\n" + octets
        return head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part + part + b"--b--\r\n"
    if kind == "html":
        return head + b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>" + octets + b"</p>\r\n"
    if kind == "nul":
        # What decodes to something that PostgreSQL's text cannot be.
        coded = base64.encodebytes(b"nul\0nul " + octets)
        return head + utf8 + b"Content-Transfer-Encoding: base64\r\n\r\n" + coded
    return head + utf8 + b"\r\n" + octets


def filler_of(imap: Imap) -> Filler:
    assert imap.filler is not None
    return imap.filler


def fill(imap: Imap) -> None:
    imap.wait_for(filler_of(imap).work())


def searched(client: Client, keys: str) -> list[int]:
    said = client.say(b"SEARCH CHARSET UTF-8 " + keys.encode())
    assert said[-1].startswith("OK"), said
    return [int(number) for number in said[0].split()[2:]]


def literal(text: str) -> str:
    return f"{{{len(text.encode())}+}}\r\n{text}"


@pytest.mark.parametrize("longest", [texts.KEPT_CHARACTERS, 60])
def test_the_same_is_found_with_texts_and_without(
    server: Callable[..., Imap], monkeypatch: pytest.MonkeyPatch, longest: int
) -> None:
    monkeypatch.setattr(texts, "KEPT_CHARACTERS", longest)
    chance = random.Random(SEED)
    plain, keeping = server(), server(keeps_texts=True)

    async def nothing(*_arguments: object) -> dict[int, object]:
        return {}

    # This one looks at every message.
    plain.store.ask_texts = nothing
    client = plain.client("alice@a.test")
    for _ in range(30):
        client.append(message(chance))
    client.say("SELECT INBOX")
    filled = keeping.client("alice@a.test", select="INBOX")
    fill(keeping)
    reads: list[Any] = []

    def counted(read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(*arguments: Any) -> Any:
            reads.append(arguments)
            return read(*arguments)

        return reading

    keeping.store.read_whole = counted(keeping.store.read_whole)
    keeping.store.read = counted(keeping.store.read)
    for _ in range(30):
        word = chance.choice([*WORDS, "nul", "hello", "%", "_", "\\", "absent", "e", "ß", "SS"])
        start = chance.randrange(len(word))
        sought = chance.choice((word, word.upper(), word[start:], f"{word} {chance.choice(WORDS)}"))
        key = f"{chance.choice(('BODY', 'TEXT', 'NOT BODY', 'SUBJECT'))} {literal(sought)}"
        if chance.random() < 0.3:
            key = f"OR {key} BODY {literal(chance.choice(WORDS))}"
        assert searched(filled, key) == searched(client, key), (SEED, key)
    if longest == texts.KEPT_CHARACTERS:
        assert len(reads) < 30 * 10, "texts that are kept are not read"


def test_what_a_search_has_read_is_not_read_again(server: Callable[..., Imap]) -> None:
    imap = server(keeps_texts=True)
    client = imap.client("alice@a.test")
    client.append("Subject: x\n\nfound me\n")
    filler_of(imap)._waiting.clear()
    client.say("EXAMINE INBOX")
    filler_of(imap)._waiting.clear()
    assert searched(client, 'BODY "found me"') == [1]
    fill(imap)
    imap.store.read_whole = imap.store.read = None
    assert searched(client, 'BODY "FOUND"') == [1]
    assert searched(client, 'BODY "lost"') == []


def test_an_expunged_message_leaves_no_text(server: Callable[..., Imap]) -> None:
    imap = server(keeps_texts=True)
    client = imap.client("alice@a.test")
    for text in ("one", "two"):
        client.append(f"Subject: x\n\n{text}\n")
    client.say("SELECT INBOX")
    fill(imap)
    client.say("STORE 1 +FLAGS (\\Deleted)")
    client.say("EXPUNGE")
    assert searched(client, "BODY one") == []
    assert searched(client, "BODY two") == [1]


def test_another_tenant_cannot_ask(server: Callable[..., Imap]) -> None:
    imap = server(keeps_texts=True)
    client = imap.client("alice@a.test")
    client.append("Subject: x\n\nsecret\n")
    client.say("SELECT INBOX")
    fill(imap)
    from mailmodel import AccountRef
    from mailstore import TextQuestion

    owner = imap._connections._open.copy().pop()._session.account
    info = imap.wait_for(imap.store.get_mailbox(owner, "INBOX"))
    question = TextQuestion(substrings=["SECRET"])
    assert imap.wait_for(imap.store.ask_texts(owner, info.mailbox_id, [1], question))[1].held == [True]
    stranger = AccountRef("00000000-0000-0000-0000-000000000001", owner.account_id)
    assert imap.wait_for(imap.store.ask_texts(stranger, info.mailbox_id, [1], question)) == {}


@pytest.mark.parametrize("is_filled", [True, False])
def test_words_where_the_tenant_chose_them(server: Callable[..., Imap], is_filled: bool) -> None:
    imap = server(keeps_texts=True, policies=Chosen("words", "en-GB"))
    client = imap.client("alice@a.test")
    client.append("Subject: subheading\n\nThe runners were running to the reports\n")
    client.say("SELECT INBOX")
    if is_filled:
        fill(imap)
    filler_of(imap)._waiting.clear()
    for keys, expected in (
        ("BODY run", [1]),
        ("BODY report", [1]),
        ("TEXT report", [1]),
        # In words, not within them.
        ("BODY unne", []),
        ("TEXT epor", []),
        # Header fields hold what they hold.
        ("SUBJECT bhead", [1]),
        ("TEXT bhead", [1]),
        ("NOT BODY run", []),
    ):
        assert searched(client, keys) == expected, keys


@pytest.mark.parametrize("is_filled", [True, False])
def test_fuzzy(server: Callable[..., Imap], is_filled: bool) -> None:
    imap = server(keeps_texts=True)
    client = imap.client("alice@a.test")
    for subject, text in (("hello", "nothing"), ("none", "say hello to all"), ("none", "something else")):
        client.append(f"Subject: {subject}\n\n{text}\n")
    client.say("SELECT INBOX")
    if is_filled:
        fill(imap)
    filler_of(imap)._waiting.clear()
    assert "SEARCH=FUZZY" in client.say("CAPABILITY")[0]
    assert searched(client, "FUZZY TEXT Helo") == [1, 2]
    assert searched(client, "FUZZY BODY Helo") == [2]
    assert searched(client, "FUZZY SUBJECT Helo") == [1]
    assert searched(client, "TEXT Helo") == []
    assert searched(client, "FUZZY (SUBJECT Helo UNSEEN)") == [1]
    assert searched(client, "FUZZY UNSEEN") == [1, 2, 3]
    said = client.say("SEARCH RETURN (RELEVANCY ALL) OR FUZZY TEXT Helo FUZZY SUBJECT hello")[0]
    assert said.startswith('* ESEARCH (TAG "')
    assert " ALL 1:2 RELEVANCY (" in said
    scores = [int(score) for score in said.split("RELEVANCY (")[1].rstrip(")").split()]
    assert 100 >= scores[0] > scores[1] >= 1
    assert (
        client.say("SORT (REVERSE RELEVANCY) UTF-8 OR FUZZY TEXT Helo FUZZY SUBJECT hello")[0] == "* SORT 2 1"
    )
    for wrong in ("SEARCH RETURN (RELEVANCY) TEXT x", "SORT (RELEVANCY) UTF-8 TEXT x"):
        assert client.say(wrong)[-1].startswith("BAD")


def test_hostile_words(server: Callable[..., Imap]) -> None:
    imap = server(keeps_texts=True)
    client = imap.client("alice@a.test")
    client.append(b"Subject: x\r\n\r\n" + b"x" * 300_000 + b" " + bytes(range(128, 256)) * 100 + b"\r\n")
    client.say("SELECT INBOX")
    fill(imap)
    assert searched(client, f"FUZZY BODY {literal('x' * 5000)}") in ([], [1])
    assert searched(client, "BODY xxxx") == [1]
    assert searched(client, f"FUZZY TEXT {literal(chr(0x1F600) * 50)}") == []


def test_html_is_searched_as_it_is_seen_and_documents_by_what_they_say(server: Callable[..., Imap]) -> None:
    imap = server(keeps_texts=True)
    reading = Reading()
    filler_of(imap)._documents = reading
    client = imap.client("alice@a.test")
    html = b"Content-Type: text/html\r\n\r\n<p class=secret>white&nbsp;stork <b>and</b> nest</p>\r\n"
    client.append(html)
    parts = b"".join(
        b"--b\r\nContent-Type: "
        + kind
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(made)
        for kind, made in (
            (b"application/pdf", pdf("a heron in a paper")),
            (b"application/octet-stream; name=x.docx", docx("a crane on a page")),
        )
    )
    client.append(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n" + parts + b"--b--\r\n"
    )
    client.say("SELECT INBOX")
    # What a search reads before is not taken for all that there is.
    assert searched(client, "BODY heron") == []
    fill(imap)
    assert reading.closed
    found = {
        word: searched(client, f"BODY {literal(word)}")
        for word in ("white\u00a0stork", "secret", "heron in a", "crane on", "see below", "absent")
    }
    assert found == {
        "white\u00a0stork": [1],
        "secret": [],
        "heron in a": [2],
        "crane on": [2],
        "see below": [2],
        "absent": [],
    }


class Reading:
    """Reads documents at once."""

    closed = False

    async def text_of(self, document: bytes) -> str:
        return text_of(document)

    async def close(self) -> None:
        self.closed = True
