"""Texts of bodies that somebody has made to be too much for PostgreSQL."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from blobstore import BodyReference
from mailmodel import AccountRef, Flags
from mailmsg.facts import examine
from mailstore import BodyText, Columns, MailStore, NewMessage, TextQuestion
from mailstore.texts import KEPT_CHARACTERS

from tests.support.engines import Engines

CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None)
    yield opened
    await opened.close()


def crowded(characters: int) -> str:
    """Of each of these words two more are made, no two are the same, and each of their characters has four octets."""

    def word(n: int) -> str:
        return "".join(chr(0x20000 + n * factor % 39_000) for factor in (1, 7))

    return " ".join(f"{word(n)}-{word(n + 20_000)}" for n in range(characters // 6))[:characters]


async def test_more_words_than_a_tsvector_takes(store: MailStore) -> None:
    account = AccountRef(str(uuid4()), str(uuid4()))
    found = await store.get_mailbox(account, "INBOX")
    assert found is not None
    body = BodyReference("mail/none/x", 0, len(CONTENT), hashlib.sha256(CONTENT).digest())
    new = [NewMessage(body, b"", examine(CONTENT), datetime.now(UTC), Flags()) for _ in range(2)]
    uids = await store.append(account, found.mailbox_id, new)
    [stored] = [part async for part in store.fetch(account, found.mailbox_id, uids, Columns.BODY)]
    text = "STORK " + crowded(KEPT_CHARACTERS)
    texts = [BodyText(stored[0].message_id, text), BodyText(stored[1].message_id, "A HERON")]
    await store.keep_texts(account, "english", texts)
    question = TextQuestion(["STORK"], ["stork"], ["STORK"])
    kept = await store.ask_texts(account, found.mailbox_id, uids, question)
    assert [(kept[uid].held, kept[uid].worded) for uid in uids] == [([True], [True]), ([False], [False])]
    read = await store.ask_of_texts(account.tenant_id, "english", [text, "A HERON"], question)
    assert [(each.held, each.worded) for each in read] == [([True], [True]), ([False], [False])]
