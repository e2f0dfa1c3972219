"""Encrypted before it is filed, into a real store: what IMAP reads, and what comes a second time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from blobstore import BodyReference
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef
from mailstore import Columns, Delivery, MailStore, Outcome, StoredMessage
from mda.core.plan import plan
from mda.edge.sealing import Sealing
from pysequoia import Tsk, decrypt

from tests.support.engines import Engines
from tests.support.mda_world import letter_of
from tests.support.reader_keys import new_openpgp

SHORT = b"From: eve@peer.invalid\r\nSubject: hi\r\n\r\nsecret words\r\n"
LONG = SHORT + b"secret words, at length\r\n" * 20_000


class Chosen:
    def __init__(self, key: str) -> None:
        self._key = key

    async def of_account(self, account_id: str) -> AccountSettings:
        return AccountSettings(encryption_key=self._key)


@pytest.fixture
async def store(engines: Engines) -> AsyncIterator[MailStore]:
    opened = await MailStore.open(engines.dsn("store", "app"), engines.seaweed.store(), lambda change: None)
    yield opened
    await opened.close()


async def arrived(engines: Engines, content: bytes) -> list[Delivery]:
    """A message as the gate stores it, for one account and twice: a script has asked for a copy."""
    blobs = engines.seaweed.store()
    key = f"mail/{uuid4().hex}"
    await blobs.put(key, [b"a record's head", content])
    letter = letter_of(content)
    letter = replace(letter, body=BodyReference(key, 15, len(content), letter.envelope.digest))
    [delivery] = plan(letter)
    delivery = replace(delivery, account=AccountRef(str(uuid4()), str(uuid4())), queue_id=uuid4().hex[:26])
    return [delivery, replace(delivery, recipient=f"{delivery.recipient} 2")]


async def filed(store: MailStore, account: AccountRef) -> list[StoredMessage]:
    inbox = await store.get_mailbox(account, "INBOX")
    assert inbox is not None
    columns = Columns.BODY | Columns.STRUCTURE | Columns.ENVELOPE
    return [m async for piece in store.fetch(account, inbox.mailbox_id, range(1, 9), columns) for m in piece]


@pytest.mark.parametrize("content", [SHORT, LONG], ids=["short", "long"])
async def test_it_is_filed_encrypted_and_once(engines: Engines, store: MailStore, content: bytes) -> None:
    public, private = new_openpgp()
    sealing = Sealing(Chosen(public), engines.seaweed.store(), store)
    deliveries = await arrived(engines, content)
    account = deliveries[0].account
    # A process dies after it stored the body, and the message comes again; and after the commit, and comes again.
    await sealing.seal(deliveries)
    first = await store.deliver((await sealing.seal(deliveries)).deliveries)
    again = await store.deliver((await sealing.seal(deliveries)).deliveries)
    assert (first, again) == ([Outcome.FILED] * 2, [Outcome.REPEATED] * 2)
    messages = await filed(store, account)
    assert len(messages) == 2
    for message in messages:
        text = await store.read(message, 0, message.size_octets)
        assert text.startswith(b"Return-Path")
        assert len(text) == message.size_octets
        assert b"secret" not in text
        start, end = text.index(b"-----BEGIN PGP MESSAGE"), text.index(b"-----END PGP MESSAGE-----") + 25
        opened = decrypt(decryptor=Tsk.from_bytes(private).decryptor(), bytes=text[start:end]).bytes
        assert opened == content[content.index(b"\r\n\r\n") + 2 :]
        assert b"encrypted" in message.bodystructure.lower()
        assert b'"hi"' in message.envelope
