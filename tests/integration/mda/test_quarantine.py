"""The quarantine on real S3 and PostgreSQL, over gRPC: list, look at, release, delete, expire; tenants see their own."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from blobstore import BlobStore
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef
from mailstore import Columns, MailStore
from mailwire.quarantine.v1 import quarantine_pb2 as wire
from mailwire.quarantine.v1.quarantine_pb2_grpc import (
    QuarantineAdminServiceStub,
    add_QuarantineAdminServiceServicer_to_server,
)
from mda.adapters.quarantine import BlobQuarantine
from mda.core.findings import Finding, Verdict
from mda.edge.sealing import Sealing
from mda.edge.settling import Settling
from spool import Envelope, EnvelopeRecipient, SpooledLetter, new_queue_id

from tests.support.engines import Engines
from tests.support.mda_world import World, letter_of
from tests.support.reader_keys import new_openpgp, signing_only
from tests.support.viruses import EICAR, clean

CONTENT = clean("kept") + EICAR
FOUND = (Finding("clamav", Verdict.VIRUS, "Eicar"), Finding("rspamd", Verdict.CLEAN, score=1.0))


class Keys:
    """What all accounts chose."""

    key = ""

    async def of_account(self, account_id: str) -> AccountSettings:
        return AccountSettings(encryption_key=self.key)


class Stage:
    """A tenant with an account, a quarantine, and a service that answers."""

    def __init__(
        self, blobs: BlobStore, mailboxes: MailStore, stub: Any, quarantine: BlobQuarantine, keys: Keys
    ) -> None:
        self.keys = keys
        self.blobs = blobs
        self.mailboxes = mailboxes
        self.stub = stub
        self.quarantine = quarantine
        self.tenant_id = str(uuid4())
        self.account = AccountRef(self.tenant_id, str(uuid4()))

    def letter(self) -> SpooledLetter:
        letter = letter_of(CONTENT)
        envelope = letter.envelope
        recipient = EnvelopeRecipient("bob@a.test", "bob@a.test", self.account.account_id)
        values = {name: getattr(envelope, name) for name in Envelope.__dataclass_fields__}
        values |= {"queue_id": new_queue_id(), "tenant_id": self.tenant_id, "recipients": (recipient,)}
        return SpooledLetter(Envelope(**values), letter.body, letter.facts)

    async def hold(self) -> str:
        letter = self.letter()
        await self.quarantine.hold(letter, CONTENT, FOUND)
        return letter.envelope.queue_id

    async def list(self, **page: Any) -> Any:
        return await self.stub.ListHeld(wire.ListHeldRequest(tenant_id=self.tenant_id, **page))


@pytest.fixture
async def stage(engines: Engines) -> AsyncIterator[Stage]:
    blobs = engines.seaweed.store()
    mailboxes = await MailStore.open(engines.dsn("store", "app"), blobs, lambda _change: None)
    quarantine = BlobQuarantine(blobs)
    keys = Keys()
    settling = Settling(
        *(quarantine, blobs, mailboxes, World(), timedelta(days=30), asyncio.Event()),
        sealing=Sealing(keys, blobs, mailboxes),
    )
    server = grpc.aio.server()
    add_QuarantineAdminServiceServicer_to_server(settling, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Stage(blobs, mailboxes, QuarantineAdminServiceStub(channel), quarantine, keys)
    await server.stop(None)
    await mailboxes.close()


async def test_what_is_kept_is_listed_and_shown(stage: Stage) -> None:
    assert list((await stage.list()).held) == []
    queue_id = await stage.hold()
    [held] = (await stage.list()).held
    assert (held.queue_id, held.reverse_path, held.size_octets) == (
        queue_id,
        "eve@peer.invalid",
        len(CONTENT),
    )
    assert list(held.recipients) == ["bob@a.test"]
    assert [(each.scanner, each.verdict, each.detail) for each in held.findings] == [
        ("clamav", "virus", "Eicar"),
        ("rspamd", "clean", ""),
    ]
    shown = await stage.stub.GetHeld(wire.GetHeldRequest(tenant_id=stage.tenant_id, queue_id=queue_id))
    assert shown.held == held
    assert shown.header.startswith(b"From: Eve")
    assert shown.header.endswith(b"\r\n\r\n")


async def test_kept_twice_is_kept_once(stage: Stage) -> None:
    letter = stage.letter()
    for _ in range(2):
        await stage.quarantine.hold(letter, CONTENT, FOUND)
    assert len((await stage.list()).held) == 1


async def test_pages_newest_first(stage: Stage) -> None:
    made = [await stage.hold() for _ in range(5)]
    seen: list[str] = []
    place = ""
    for size in (2, 2, 1):
        page = await stage.list(page_size=2, page_token=place)
        assert len(page.held) == size
        seen += [each.queue_id for each in page.held]
        place = page.next_page_token
    assert (place, seen) == ("", sorted(made, reverse=True))


async def test_what_is_released_is_filed_once_and_kept_no_longer(stage: Stage) -> None:
    queue_id = await stage.hold()
    order = wire.ReleaseHeldRequest(tenant_id=stage.tenant_id, queue_id=queue_id, actor="operator")
    await stage.stub.ReleaseHeld(order)
    assert list((await stage.list()).held) == []
    inbox = await stage.mailboxes.get_mailbox(stage.account, "INBOX")
    assert inbox is not None
    [[message]] = [
        chunk async for chunk in stage.mailboxes.fetch(stage.account, inbox.mailbox_id, [1], Columns.BODY)
    ]
    text = await stage.mailboxes.read(message, 0, message.size_octets)
    assert text.endswith(CONTENT)
    assert b"X-Posthouse-Scan: clamav; verdict=virus; detail=Eicar\r\n" in message.prefix
    assert b"X-Posthouse-Quarantine: released\r\n" in message.prefix
    assert inbox.messages == 1
    # Again, after an answer that was lost.
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stage.stub.ReleaseHeld(order)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_what_is_released_to_an_account_with_a_key_is_encrypted(stage: Stage) -> None:
    queue_id = await stage.hold()
    order = wire.ReleaseHeldRequest(tenant_id=stage.tenant_id, queue_id=queue_id)
    stage.keys.key = signing_only()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stage.stub.ReleaseHeld(order)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert [each.queue_id for each in (await stage.list()).held] == [queue_id]
    stage.keys.key = new_openpgp()[0]
    await stage.stub.ReleaseHeld(order)
    inbox = await stage.mailboxes.get_mailbox(stage.account, "INBOX")
    assert inbox is not None
    [[message]] = [
        chunk async for chunk in stage.mailboxes.fetch(stage.account, inbox.mailbox_id, [1], Columns.BODY)
    ]
    text = await stage.mailboxes.read(message, 0, message.size_octets)
    assert b"-----BEGIN PGP MESSAGE-----" in text
    assert CONTENT.partition(b"\r\n\r\n")[2] not in text


async def test_a_release_that_broke_off_is_finished_by_the_next(stage: Stage) -> None:
    letter = stage.letter()
    for _ in range(2):
        # The second time stands for a delete that did not come to pass.
        await stage.quarantine.hold(letter, CONTENT, FOUND)
        await stage.stub.ReleaseHeld(
            wire.ReleaseHeldRequest(tenant_id=stage.tenant_id, queue_id=letter.envelope.queue_id)
        )
    inbox = await stage.mailboxes.get_mailbox(stage.account, "INBOX")
    assert inbox is not None
    assert inbox.messages == 1


async def test_what_is_deleted_is_gone(stage: Stage) -> None:
    queue_id = await stage.hold()
    other = await stage.hold()
    await stage.stub.DeleteHeld(wire.DeleteHeldRequest(tenant_id=stage.tenant_id, queue_id=queue_id))
    assert [each.queue_id for each in (await stage.list()).held] == [other]
    # A respool does not take it for lost.
    assert await stage.mailboxes.settled([queue_id, other]) == {(queue_id, "bob@a.test")}
    inbox = await stage.mailboxes.get_mailbox(stage.account, "INBOX")
    assert inbox is not None
    assert inbox.messages == 0


@pytest.mark.parametrize("method", ["GetHeld", "ReleaseHeld", "DeleteHeld"])
async def test_another_tenants_message_is_not_there(stage: Stage, method: str) -> None:
    queue_id = await stage.hold()
    request = getattr(wire, f"{method}Request")
    for tenant_id, asked in (
        (str(uuid4()), queue_id),
        (stage.tenant_id, "absent"),
        (stage.tenant_id, f"../{stage.tenant_id}/{queue_id}"),
        (stage.tenant_id, ""),
        ("", f"{stage.tenant_id}/{queue_id}"),
        ("../quarantine", queue_id),
        (f"{stage.tenant_id}/..", queue_id),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await getattr(stage.stub, method)(request(tenant_id=tenant_id, queue_id=asked))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert len((await stage.list()).held) == 1
    stranger = await stage.stub.ListHeld(wire.ListHeldRequest(tenant_id=str(uuid4())))
    assert list(stranger.held) == []


async def test_it_is_kept_for_a_while(stage: Stage) -> None:
    await stage.hold()
    await stage.quarantine.expire(timedelta(days=1))
    assert len((await stage.list()).held) == 1
    assert await stage.quarantine.expire(timedelta(days=-1)) >= 1
    assert list((await stage.list()).held) == []


async def test_an_envelope_with_many_recipients_can_still_be_listed(stage: Stage) -> None:
    letter = stage.letter()
    recipients = tuple(
        EnvelopeRecipient(f"{'r' * 60}{number}@{'a' * 60}.test", "", self_id)
        for number, self_id in enumerate([stage.account.account_id] * 3000)
    )
    values = {name: getattr(letter.envelope, name) for name in Envelope.__dataclass_fields__}
    many = SpooledLetter(Envelope(**(values | {"recipients": recipients})), letter.body, letter.facts)
    await stage.quarantine.hold(many, CONTENT, FOUND)
    [held] = (await stage.list()).held
    assert len(held.recipients) == 100
    _, envelope, content = await stage.quarantine.get(stage.tenant_id, held.queue_id)
    assert len(envelope.recipients) == 3000
    assert hashlib.sha256(content).digest() == envelope.digest
