"""Which list sent a message and whether it has attachments is kept, however it comes in, also beside a version before."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from mailmodel import AccountRef, Flags
from mailmodel.quota import QuotaLimits
from mailmsg.facts import MessageFacts, examine
from mailstore import Columns, Delivery, MailStore, NewMessage, Side
from mailstore.appending import TYPES, item_of
from mailstore.staging import LONGEST_OCTETS
from pgkit import transaction

from tests.support.engines import Engines

POST = b"List-Id: The birds <Birds.example.ORG>\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n"
PLAIN = b"Subject: neither\r\n\r\nhi\r\n"
CLOSED = b"Content-Type: application/pkcs7-mime\r\n\r\nsealed\r\n"
EXPECTED = [(b"birds.example.org", True), (b"", False), (b"", None)]


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None)
    yield opened
    await opened.close()


@pytest.fixture
def account() -> AccountRef:
    return AccountRef(str(uuid4()), str(uuid4()))


async def new(store: MailStore, account: AccountRef, *contents: bytes) -> list[NewMessage]:
    bodies = await store.put_bodies(account, contents)
    return [
        NewMessage(body, b"", examine(content), datetime.now(UTC), Flags())
        for body, content in zip(bodies, contents, strict=True)
    ]


async def kinds(
    store: MailStore, account: AccountRef, name: str = "INBOX"
) -> list[tuple[bytes | None, bool | None]]:
    found = await store.get_mailbox(account, name)
    assert found is not None
    pieces = [p async for p in store.fetch(account, found.mailbox_id, range(1, 100), Columns.KIND)]
    return [(message.list_id, message.has_attachments) for piece in pieces for message in piece]


async def test_delivered(store: MailStore, account: AccountRef) -> None:
    messages = await new(store, account, POST, PLAIN, CLOSED)
    await store.deliver(
        [Delivery(account, uuid4().hex, "r", "INBOX", each) for each in messages],
    )
    assert await kinds(store, account) == EXPECTED


async def test_appended_by_one_statement_and_the_long_way(store: MailStore, account: AccountRef) -> None:
    messages = await new(store, account, POST, PLAIN, CLOSED)
    # One message is sent in another form than several.
    await store.append_named(account, "INBOX", messages)
    await store.append_named(account, "INBOX", await new(store, account, POST))
    [long] = await new(store, account, POST + b"x" * LONGEST_OCTETS)
    assert item_of(account, "INBOX", QuotaLimits(0, 0, 0), [long]) is None
    await store.append_named(account, "INBOX", [long])
    assert await kinds(store, account) == [*EXPECTED, EXPECTED[0], EXPECTED[0]]


async def test_copied_to_another_account_and_replaced(store: MailStore, account: AccountRef) -> None:
    inbox = await store.get_mailbox(account, "INBOX")
    other = AccountRef(account.tenant_id, str(uuid4()))
    target = await store.get_mailbox(other, "Archive")
    assert inbox is not None
    assert target is not None
    await store.append_to(Side(account, inbox.mailbox_id), await new(store, account, POST, PLAIN, CLOSED))
    await store.copy_between(Side(account, inbox.mailbox_id), [1, 2, 3], Side(other, target.mailbox_id))
    assert await kinds(store, other, "Archive") == EXPECTED
    [changed] = await new(store, account, PLAIN)
    await store.replace(account, inbox.mailbox_id, 1, inbox.mailbox_id, changed)
    assert await kinds(store, account) == [*EXPECTED[1:], EXPECTED[1]]


async def test_what_a_version_before_files_is_not_known(store: MailStore, account: AccountRef) -> None:
    """It calls append_1, which is still there, and knows no such columns."""
    await store.provision(account)
    messages = await new(store, account, POST)
    item = item_of(account, "INBOX", QuotaLimits(0, 0, 0), messages)
    assert item is not None
    [values] = item.messages
    place = values.index(messages[0].facts.list_id)
    before = (*values[:place], *values[place + 2 :])
    types = (*TYPES[: len(TYPES) - len(values) + place], *TYPES[len(TYPES) - len(values) + place + 2 :])
    marks = ", ".join(f"ARRAY[${n}::{each}]" for n, each in enumerate(types, 1))
    async with transaction(store._pool, account.tenant_id) as connection:
        row = await connection.fetchrow(
            f"SELECT outcome FROM append_1(true, {marks})",
            *(UUID(account.tenant_id), UUID(account.account_id), "INBOX", 1, 1, item.octets, 0, 0, 1, 0),
            *before,
        )
    assert row is not None
    assert row["outcome"] == 0
    assert await kinds(store, account) == [(None, None)]


async def test_what_was_on_the_bus_from_a_version_before_is_not_known(
    store: MailStore, account: AccountRef
) -> None:
    [message] = await new(store, account, POST)
    facts: MessageFacts = replace(message.facts, list_id=None, has_attachments=None)
    await store.deliver([Delivery(account, uuid4().hex, "r", "INBOX", replace(message, facts=facts))])
    assert await kinds(store, account) == [(None, None)]
