"""Mailboxes of a tenant that encrypts its bodies: in the object storage and in the database nothing can be read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from uuid import uuid4

import asyncpg
import pytest
from blobstore import BlobStore, SealedBlobStore
from mailmodel import AccountRef, Flags
from mailmsg.facts import examine
from mailstore import (
    BodyCorrupt,
    BodyShredded,
    BodyText,
    Columns,
    Delivery,
    MailStore,
    NewMessage,
    Side,
    StoredMessage,
    StoreUnavailable,
)
from mailstore.sealed_facts import MARK as MARK_OF_COLUMNS
from mailstore.staging import LONGEST_OCTETS, PREFIX, StagedBody

from tests.support.drawer import Drawer
from tests.support.engines import Engines

MARK = b"a marked sentence that nobody else is to read"
SHORT = b"Subject: short\r\n\r\n" + MARK + b"\r\n"
LONG = b"Subject: long\r\n\r\n" + (MARK + b"\r\n") * 3_000


@dataclass
class Vault:
    """A store, and an account of a tenant that encrypts."""

    engines: Engines
    drawer: Drawer
    bucket: BlobStore
    store: MailStore
    account: AccountRef

    async def append(self, *contents: bytes, account: AccountRef | None = None) -> list[StoredMessage]:
        account = account or self.account
        bodies = await self.store.put_bodies(account, contents)
        found = await self.store.get_mailbox(account, "INBOX")
        assert found is not None
        new = [
            NewMessage(body, b"", examine(content), datetime.now(UTC), Flags())
            for body, content in zip(bodies, contents, strict=True)
        ]
        await self.store.append(account, found.mailbox_id, new)
        return await self.stored(account)

    async def stored(self, account: AccountRef | None = None) -> list[StoredMessage]:
        account = account or self.account
        found = await self.store.get_mailbox(account, "INBOX")
        assert found is not None
        pieces = [p async for p in self.store.fetch(account, found.mailbox_id, range(1, 50), Columns.BODY)]
        return [message for piece in pieces for message in piece]

    async def whole(self, message: StoredMessage) -> bytes:
        return await self.store.read(message, 0, message.size_octets)

    async def rows(self) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.engines.postgres.dsn("store", "postgres", "postgres"))
        try:
            return list(
                await connection.fetch(
                    "SELECT * FROM staged_body WHERE tenant_id = $1::uuid", self.account.tenant_id
                )
            )
        finally:
            await connection.close()

    async def is_anywhere(self) -> bool:
        """Whether what nobody is to read can be read where it rests."""
        keys = [item.key async for item in self.bucket.list(f"mail/{self.account.tenant_id}/")]
        objects = [await self.bucket.get(key) for key in keys]
        contents = [row["content"] or b"" for row in await self.rows()]
        return any(MARK in each for each in (*objects, *contents))


@pytest.fixture
async def vault(engines: Engines) -> AsyncIterator[Vault]:
    drawer, bucket = Drawer(), engines.seaweed.store()
    account = AccountRef(str(uuid4()), str(uuid4()))
    drawer.add(account.tenant_id, 1, b"1" * 32)
    store = await MailStore.open(
        engines.dsn("store", "app"), SealedBlobStore(bucket, drawer), lambda change: None
    )
    while await store.pack():
        pass
    yield Vault(engines, drawer, bucket, store, account)
    await store.close()


async def test_a_short_body_waits_sealed_and_is_moved_sealed(vault: Vault) -> None:
    contents = [SHORT, SHORT + b"x" * (LONGEST_OCTETS - len(SHORT)), b"\r\n"]
    before = await vault.append(*contents)
    assert len(await vault.rows()) == 3
    assert all(each.reference is not None and each.reference.object_key.startswith(PREFIX) for each in before)
    assert not await vault.is_anywhere()
    assert [await vault.whole(each) for each in before] == contents
    assert await vault.store.read(before[1], 18, 8) == b"a marked"
    assert await vault.store.pack() == 3
    assert not await vault.is_anywhere()
    after = await vault.stored()
    assert [await vault.whole(each) for each in after] == contents
    assert await vault.store.read_whole(after) == contents
    # Who had read where it was finds it all the same.
    assert [await vault.whole(each) for each in before] == contents
    assert {key.partition(".k")[2][:2] for key in keys(after)} == {"1."}


def keys(messages: list[StoredMessage]) -> list[str]:
    return [message.reference.object_key for message in messages if message.reference is not None]


async def test_a_long_body_is_sealed_in_memory_and_from_a_file(vault: Vault) -> None:
    [one] = await vault.append(LONG)
    file = BytesIO(LONG)
    assert one.reference is not None
    reference = await vault.store.put_file(vault.account, file, len(LONG), one.reference.digest)
    assert await vault.whole(one) == LONG
    assert await vault.whole(replace(one, reference=reference)) == LONG
    assert await vault.store.read(one, 16_000, 900) == LONG[16_000:16_900]
    assert not await vault.is_anywhere()


async def test_each_piece_says_which_key_it_needs(vault: Vault) -> None:
    await vault.append(SHORT)
    vault.drawer.add(vault.account.tenant_id, 2, b"2" * 32)
    messages = await vault.append(SHORT)
    assert [await vault.whole(each) for each in messages] == [SHORT, SHORT]
    assert await vault.store.pack() == 2
    assert {key.partition(".k")[2][:2] for key in keys(await vault.stored())} == {"2."}


async def test_a_script_reads_what_it_has_staged(vault: Vault) -> None:
    [body] = await vault.store.put_bodies(vault.account, [SHORT])
    assert isinstance(body, StagedBody)
    assert body.plain == SHORT
    assert MARK not in body.content


async def test_after_the_key_is_gone_nothing_reads_and_nothing_is_in_the_way(vault: Vault) -> None:
    await vault.append(LONG)
    messages = await vault.append(SHORT)
    other = AccountRef(str(uuid4()), str(uuid4()))
    del vault.drawer.kept[vault.account.tenant_id]
    for message in messages:
        with pytest.raises(BodyShredded):
            await vault.whole(message)
    with pytest.raises(BodyShredded):
        await vault.store.read_whole(messages)
    # What waited cannot be moved any more: others' can.
    await vault.append(SHORT, account=other)
    assert await vault.store.pack() == 1
    assert await vault.rows() == []
    with pytest.raises(BodyCorrupt):
        await vault.whole(messages[1])


async def test_while_keys_are_away_nothing_is_stored_and_others_are_moved(vault: Vault) -> None:
    messages = await vault.append(SHORT)
    other = AccountRef(str(uuid4()), str(uuid4()))
    await vault.append(SHORT, account=other)
    vault.drawer.missing.add(vault.account.tenant_id)
    for content in (SHORT, LONG):
        with pytest.raises(StoreUnavailable):
            await vault.store.put_bodies(vault.account, [content])
    with pytest.raises(StoreUnavailable):
        await vault.store.put_file(vault.account, BytesIO(LONG), len(LONG), b"")
    with pytest.raises(StoreUnavailable):
        await vault.whole(messages[0])
    assert await vault.store.pack() == 1
    vault.drawer.missing.clear()
    assert await vault.store.pack() == 1
    assert await vault.whole(messages[0]) == SHORT


async def test_what_waits_in_clear_of_a_tenant_whose_key_is_away_holds_up_nobody(vault: Vault) -> None:
    tenants = sorted(str(uuid4()) for _ in range(2))
    for tenant_id in tenants:
        # The one that is looked at first is the one that cannot be moved.
        await vault.append(SHORT, account=AccountRef(tenant_id, str(uuid4())))
    vault.drawer.missing.add(tenants[0])
    assert await vault.store.pack() == 1
    vault.drawer.missing.clear()
    assert await vault.store.pack() == 1


async def test_an_altered_body_is_no_body(vault: Vault) -> None:
    [message] = await vault.append(SHORT)
    connection = await asyncpg.connect(vault.engines.postgres.dsn("store", "postgres", "postgres"))
    await connection.execute(
        "UPDATE staged_body SET content = set_byte(content, 40, get_byte(content, 40) # 1) WHERE tenant_id = $1::uuid",
        vault.account.tenant_id,
    )
    await connection.close()
    with pytest.raises(BodyCorrupt):
        await vault.whole(message)
    assert await vault.store.pack() == 0
    assert len(await vault.rows()) == 1
    await vault.store.remove_account(vault.account)


async def test_texts_for_searches_are_not_kept(vault: Vault) -> None:
    [message] = await vault.append(SHORT)
    found = await vault.store.get_mailbox(vault.account, "INBOX")
    assert found is not None
    assert await vault.store.without_text(vault.account, found.mailbox_id, 1 << 33, 10) == []
    await vault.store.keep_texts(vault.account, "english", [BodyText(message.message_id, MARK.decode())])
    del vault.drawer.kept[vault.account.tenant_id]
    # Nor were they.
    assert len(await vault.store.without_text(vault.account, found.mailbox_id, 1 << 33, 10)) == 1


async def test_who_encrypts_no_more_reads_what_was_and_stores_plain(vault: Vault) -> None:
    await vault.append(SHORT)
    plain = AccountRef(str(uuid4()), str(uuid4()))
    [message] = await vault.append(SHORT, account=plain)
    assert await vault.whole(message) == SHORT
    assert not any(".k" in key for key in keys([message]))


EVERYTHING = Columns.ENVELOPE | Columns.STRUCTURE | Columns.HEADER | Columns.KIND
PRIVATE = (
    b"Subject: the stork\r\nFrom: Eve <eve@peer.invalid>\r\nList-Id: <stork-friends.test>\r\n"
    b"Content-Type: text/plain; name=nest.txt\r\n\r\nx\r\n"
)


async def shown(vault: Vault, mailbox_id: int, account: AccountRef | None = None) -> list[StoredMessage]:
    pieces = [
        p async for p in vault.store.fetch(account or vault.account, mailbox_id, range(1, 50), EVERYTHING)
    ]
    return [message for piece in pieces for message in piece]


async def kept(vault: Vault) -> bytes:
    """All that the database has of this tenant's messages."""
    connection = await asyncpg.connect(vault.engines.postgres.dsn("store", "postgres", "postgres"))
    try:
        rows = await connection.fetch(
            "SELECT * FROM message WHERE tenant_id = $1::uuid", vault.account.tenant_id
        )
    finally:
        await connection.close()
    return b"".join(value for row in rows for value in row.values() if isinstance(value, bytes))


def facts_of(message: StoredMessage) -> tuple[bytes, int, bytes, bytes, bytes, bytes | None]:
    return (
        message.header,
        message.header_octets,
        message.envelope,
        message.bodystructure,
        message.body,
        message.list_id,
    )


async def test_headers_envelopes_and_structures_are_sealed_whichever_way_they_come(vault: Vault) -> None:
    store, account = vault.store, vault.account
    inbox = await store.get_mailbox(account, "INBOX")
    archive = await store.get_mailbox(account, "Archive")
    assert inbox is not None
    assert archive is not None
    facts = examine(PRIVATE)
    expected = (
        *(facts.header, facts.header_octets, facts.envelope, facts.bodystructure, facts.body),
        b"stork-friends.test",
    )

    async def new(content: bytes = PRIVATE) -> NewMessage:
        [body] = await store.put_bodies(account, [content])
        return NewMessage(body, b"", examine(content), datetime.now(UTC), Flags())

    await store.append(account, inbox.mailbox_id, [await new(), await new()])
    await store.append_named(account, "INBOX", [await new()])
    await store.deliver([Delivery(account, "01J", "me@here.test", "INBOX", await new())])
    await store.replace(account, inbox.mailbox_id, 1, inbox.mailbox_id, await new())
    side = Side(account, inbox.mailbox_id)
    await store.append_to(side, [await new()])
    await store.replace_between(side, 2, side, await new())
    found = await shown(vault, inbox.mailbox_id)
    assert [facts_of(message) for message in found] == [expected] * 5
    other = AccountRef(account.tenant_id, str(uuid4()))
    target = await store.get_mailbox(other, "INBOX")
    assert target is not None
    uids = [message.uid for message in found]
    await store.copy(account, inbox.mailbox_id, uids, archive.mailbox_id)
    await store.copy_between(side, uids, Side(other, target.mailbox_id))
    for place, owner in ((archive.mailbox_id, account), (target.mailbox_id, other)):
        assert [facts_of(each) for each in await shown(vault, place, owner)] == [expected] * 5
    database = await kept(vault)
    for word in (b"stork", b"eve", b"nest.txt", b"STORK"):
        assert word not in database
    # They are of one conversation, or not, as ever.
    threads = [p async for p in store.fetch(account, inbox.mailbox_id, uids, Columns.THREAD)]
    assert len({message.thread_id for message in threads[0]}) == 5
    # Some column at a time.
    [kinds] = [p async for p in store.fetch(account, inbox.mailbox_id, uids, Columns.KIND)]
    assert {message.list_id for message in kinds} == {b"stork-friends.test"}
    for columns in (Columns.ENVELOPE, Columns.STRUCTURE, Columns.HEADER | Columns.BODY):
        [some] = [p async for p in store.fetch(account, inbox.mailbox_id, uids, columns)]
        assert all(message.envelope in (b"", facts.envelope) for message in some)
        assert all(message.header in (b"", facts.header) for message in some)


async def test_a_search_by_header_leaves_none_out(vault: Vault) -> None:
    found = await vault.append(PRIVATE)
    inbox = await vault.store.get_mailbox(vault.account, "INBOX")
    assert inbox is not None
    uids = await vault.store.headers_may_hold(vault.account, inbox.mailbox_id, [["STORK"]], None)
    assert uids == [message.uid for message in found]


async def test_without_the_key_a_message_has_no_subject_and_no_people(vault: Vault) -> None:
    await vault.append(PRIVATE)
    inbox = await vault.store.get_mailbox(vault.account, "INBOX")
    assert inbox is not None
    vault.drawer.missing.add(vault.account.tenant_id)
    with pytest.raises(StoreUnavailable):
        await shown(vault, inbox.mailbox_id)
    vault.drawer.missing.clear()
    del vault.drawer.kept[vault.account.tenant_id]
    [message] = await shown(vault, inbox.mailbox_id)
    assert message.envelope == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
    assert (message.header, message.header_octets) == (b"", examine(PRIVATE).header_octets)
    assert message.bodystructure.startswith(b'("APPLICATION" "OCTET-STREAM" NIL NIL NIL "BINARY" ')
    assert message.body.endswith(b")")
    assert message.list_id is None


async def test_an_altered_column_is_noticed(vault: Vault) -> None:
    await vault.append(PRIVATE)
    inbox = await vault.store.get_mailbox(vault.account, "INBOX")
    assert inbox is not None
    connection = await asyncpg.connect(vault.engines.postgres.dsn("store", "postgres", "postgres"))
    await connection.execute(
        "UPDATE message SET envelope = header WHERE tenant_id = $1::uuid", vault.account.tenant_id
    )
    await connection.close()
    with pytest.raises(BodyCorrupt):
        await shown(vault, inbox.mailbox_id)


async def test_a_header_that_looks_sealed_is_a_header(vault: Vault) -> None:
    plain = AccountRef(str(uuid4()), str(uuid4()))
    marked = MARK_OF_COLUMNS + b"\0\0\0\1"
    content = marked + b"junk: x\r\nList-Id: <" + marked + b"x>\r\n\r\n"
    await vault.append(content, account=plain)
    inbox = await vault.store.get_mailbox(plain, "INBOX")
    assert inbox is not None
    [message] = await shown(vault, inbox.mailbox_id, plain)
    assert message.header == examine(content).header
    assert message.list_id == b""
