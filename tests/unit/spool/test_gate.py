"""The gate in memory: the order of steps, what each failure leaves behind, packing."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from blobstore import BlobStore, BlobUnavailable
from eventbus import BusUnavailable
from eventbus import OutcomeUnknown as BusOutcomeUnknown
from spool import (
    Handling,
    Letter,
    Malformed,
    OutcomeUnknown,
    Recipient,
    Source,
    Spool,
    SpoolUnavailable,
    decode,
    new_queue_id,
    read_records,
)
from spool.pack import LETTERS, OCTETS, pack, split, unpack
from spool.packer import LARGE_OCTETS, QUIET_ROUNDS


class Blobs(BlobStore):
    def __init__(self) -> None:
        super().__init__(cast(Any, None))
        self.objects: dict[str, bytes] = {}
        self.fail = False
        self.gate: asyncio.Event | None = None

    async def put(self, key: str, chunks: Sequence[bytes]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        else:
            await asyncio.sleep(0)
        if self.fail:
            raise BlobUnavailable("down")
        self.objects[key] = b"".join(chunks)

    async def check(self) -> None:
        return


class Bus:
    def __init__(self, blobs: Blobs) -> None:
        self.connected = True
        self.error: Exception | None = None
        self.published: list[list[tuple[str, bytes]]] = []
        self._blobs = blobs

    async def publish_mail(
        self,
        message_id: str,
        messages: Sequence[tuple[str, bytes]],
        deadline_seconds: float,
        holding: Sequence[str] = (),
    ) -> None:
        if self.error is not None:
            raise self.error
        for _, payload in messages:
            letters = [decode(each) for each in unpack(payload)]
            for each in letters:
                assert each.body.object_key in self._blobs.objects, "published before it was durable"
            if len(letters) > 1:
                assert [each.envelope.queue_id for each in letters] == list(holding)
        self.published.append(list(messages))

    async def check(self) -> None:
        return


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def bus(blobs: Blobs) -> Bus:
    return Bus(blobs)


@pytest.fixture
def spool(blobs: Blobs, bus: Bus) -> Spool:
    return Spool(blobs, bus)  # type: ignore[arg-type]


LOCAL = Recipient("bob@a.test", "bob@a.test", "tenant-a", "account-bob")
OTHER = Recipient("eve@b.test", "eve@b.test", "tenant-b", "account-eve")
REMOTE = Recipient("x@remote.test", "x@remote.test", "tenant-a", None)


def letter(*recipients: Recipient, content: bytes = b"Subject: hi\r\n\r\nhello\r\n") -> Letter:
    return Letter(
        queue_id=new_queue_id(),
        reverse_path="alice@a.test",
        recipients=recipients,
        content=content,
        trace_prefix=b"Received: here\r\n",
        source=Source.SUBMISSION,
        arrived_at=datetime.now(UTC),
    )


async def test_a_message_is_durable_before_it_is_published(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    sent = letter(LOCAL)
    await spool.accept(sent)
    [[(subject, payload)]] = bus.published
    got = decode(payload)
    assert subject.startswith("mail.local.")
    assert got.envelope.queue_id == sent.queue_id
    body = got.body
    stored = blobs.objects[body.object_key][body.offset : body.offset + body.length]
    assert stored == sent.content
    assert body.matches(stored)
    assert body.object_key.startswith("mail/tenant-a/")


async def test_each_road_gets_its_own_recipients_in_one_publish(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    await spool.accept(letter(LOCAL, REMOTE, OTHER))
    [messages] = bus.published
    roads = sorted(
        (subject.rsplit(".", 1)[0], got.envelope.tenant_id, [r.address for r in got.envelope.recipients])
        for subject, got in ((subject, decode(payload)) for subject, payload in messages)
    )
    assert roads == [
        ("mail.local", "tenant-a", ["bob@a.test"]),
        ("mail.local", "tenant-b", ["eve@b.test"]),
        ("mail.relay", "tenant-a", ["x@remote.test"]),
    ]
    for key, data in blobs.objects.items():
        tenants = {record.envelope.tenant_id for record in read_records(data)}
        assert tenants == {key.split("/")[1]}, "an object holds one tenant's mail"


async def test_storage_down_publishes_nothing(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    blobs.fail = True
    with pytest.raises(SpoolUnavailable):
        await spool.accept(letter(LOCAL))
    assert bus.published == []


async def test_bus_down_is_said_before_anything_is_stored(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    bus.connected = False
    with pytest.raises(SpoolUnavailable):
        await spool.accept(letter(LOCAL))
    assert blobs.objects == {}


async def test_a_refused_publish_marks_the_record_void(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    bus.error = BusUnavailable("full")
    refused = letter(LOCAL)
    with pytest.raises(SpoolUnavailable):
        await spool.accept(refused)
    assert f"void/{refused.queue_id}" in blobs.objects


@pytest.mark.parametrize("source", [Source.DSN, Source.SIEVE])
async def test_what_is_tried_again_under_its_queue_id_is_not_void(
    spool: Spool, blobs: Blobs, bus: Bus, source: Source
) -> None:
    bus.error = BusUnavailable("full")
    ours = dataclasses.replace(letter(LOCAL), source=source)
    with pytest.raises(SpoolUnavailable):
        await spool.accept(ours)
    bus.error = None
    await spool.accept(ours)
    # Accepted now: when the bus loses it, respool must put it back.
    assert not any(key.startswith("void/") for key in blobs.objects)


async def test_an_unknown_outcome_is_not_called_a_refusal(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    bus.error = BusOutcomeUnknown("silence")
    unknown = letter(LOCAL)
    with pytest.raises(OutcomeUnknown):
        await spool.accept(unknown)
    assert f"void/{unknown.queue_id}" not in blobs.objects, "it may have been accepted: respool must find it"


async def test_messages_that_arrive_during_a_write_share_the_next_object(
    spool: Spool, blobs: Blobs, bus: Bus
) -> None:
    blobs.gate = asyncio.Event()
    letters = [letter(LOCAL, content=b"Subject: %d\r\n\r\n%d\r\n" % (n, n)) for n in range(50)]
    tasks = [asyncio.create_task(spool.accept(each)) for each in letters]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    blobs.gate.set()
    await asyncio.gather(*tasks)
    mail = [data for key, data in blobs.objects.items() if key.startswith("mail/")]
    assert len(mail) <= 4
    assert sum(len(list(read_records(data))) for data in mail) == 50
    told = [decode(each) for [(_, payload)] in bus.published for each in unpack(payload)]
    assert sorted(each.envelope.queue_id for each in told) == sorted(each.queue_id for each in letters)
    assert len(bus.published) <= 4, "what lies together is told together"
    for got in told:
        data = blobs.objects[got.body.object_key]
        assert got.body.matches(data[got.body.offset : got.body.offset + got.body.length])


async def test_who_comes_back_at_once_shares_the_next_object(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    async def client(rounds_away: int) -> None:
        for _ in range(5):
            await spool.accept(letter(LOCAL))
            for _ in range(rounds_away):
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(client(number % 4))
    sizes = [len(list(read_records(data))) for data in blobs.objects.values()]
    assert sizes == [8] * 5, "somebody was left over for an object of a few"


async def test_nobody_waits_for_who_stays_away(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    blobs.gate = asyncio.Event()
    first = [asyncio.create_task(spool.accept(letter(LOCAL))) for _ in range(3)]
    await asyncio.sleep(0)
    blobs.gate.set()
    await asyncio.gather(*first)
    for _ in range(3):
        await asyncio.sleep(0)
    late = asyncio.create_task(spool.accept(letter(LOCAL)))
    rounds = 0
    while not late.done():
        await asyncio.sleep(0)
        rounds += 1
    assert rounds <= QUIET_ROUNDS + 6, "the others may be back in an hour"


async def test_an_object_is_named_by_the_day_of_its_first_message(
    spool: Spool, blobs: Blobs, bus: Bus
) -> None:
    blobs.gate = asyncio.Event()
    sent = []
    for day in (1, 2, 2):
        late = dataclasses.replace(letter(LOCAL), arrived_at=datetime(2026, 3, day, 23, 59, tzinfo=UTC))
        sent.append(asyncio.create_task(spool.accept(late)))
        for _ in range(3):
            await asyncio.sleep(0)
    blobs.gate.set()
    await asyncio.gather(*sent)
    assert sorted(key.split("/")[2] for key in blobs.objects) == ["20260301", "20260302"]


async def test_a_refused_pack_marks_each_of_its_records_void(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    bus.error = BusUnavailable("full")
    letters = [letter(LOCAL) for _ in range(20)]
    outcomes = await asyncio.gather(*(spool.accept(each) for each in letters), return_exceptions=True)
    assert all(isinstance(outcome, SpoolUnavailable) for outcome in outcomes)
    assert all(f"void/{each.queue_id}" in blobs.objects for each in letters)


async def test_what_is_relayed_is_told_together_too_and_apart_from_what_is_filed(
    spool: Spool, blobs: Blobs, bus: Bus
) -> None:
    blobs.gate = asyncio.Event()
    letters = [letter((LOCAL, REMOTE)[number % 2]) for number in range(21)]
    tasks = [asyncio.create_task(spool.accept(each)) for each in letters]
    for _ in range(3):
        await asyncio.sleep(0)
    blobs.gate.set()
    await asyncio.gather(*tasks)
    told: dict[str, list[list[str]]] = {}
    for [(subject, payload)] in bus.published:
        envelopes = [decode(each).envelope for each in unpack(payload)]
        road = subject.rsplit(".", 1)[0]
        assert {
            (recipient.account_id is not None) for each in envelopes for recipient in each.recipients
        } == {road == "mail.local"}
        told.setdefault(road, []).append([each.queue_id for each in envelopes])
    assert len(blobs.objects) == 1
    assert {road: [len(each) for each in some] for road, some in told.items()} == {
        "mail.local": [11],
        "mail.relay": [10],
    }
    assert sorted(queue_id for some in told.values() for each in some for queue_id in each) == sorted(
        each.queue_id for each in letters
    )


@pytest.mark.parametrize("source", [Source.DSN, Source.SIEVE])
async def test_what_may_be_made_twice_is_sent_out_under_its_own_name(
    spool: Spool, blobs: Blobs, bus: Bus, source: Source
) -> None:
    names: list[str] = []
    publish = bus.publish_mail

    async def named(
        message_id: str,
        messages: Sequence[tuple[str, bytes]],
        deadline_seconds: float,
        holding: Sequence[str] = (),
    ) -> None:
        names.append(message_id)
        await publish(message_id, messages, deadline_seconds, holding)

    bus.publish_mail = named  # type: ignore[method-assign]
    letters = [dataclasses.replace(letter(REMOTE), source=source) for _ in range(5)]
    await asyncio.gather(*(spool.accept(each) for each in letters))
    assert sorted(names) == sorted(each.queue_id for each in letters), "the bus takes each name once"


async def test_what_is_relayed_or_released_later_is_told_by_itself(
    spool: Spool, blobs: Blobs, bus: Bus
) -> None:
    await asyncio.gather(*(spool.accept(letter(LOCAL, REMOTE)) for _ in range(5)))
    assert [len(messages) for messages in bus.published] == [2] * 5
    assert all(len(unpack(payload)) == 1 for messages in bus.published for _, payload in messages)


def test_packs_are_bounded_and_keep_every_letter() -> None:
    sizes = [100] * 70 + [OCTETS + 1, 100, OCTETS - 50, 100]
    payloads = [bytes([number]) * size for number, size in enumerate(sizes)]
    packs = [[payloads[at] for at in positions] for positions in split(payloads)]
    assert [each for some in packs for each in some] == payloads
    assert all(len(some) <= LETTERS for some in packs)
    assert all(len(some) == 1 or sum(map(len, some)) <= OCTETS for some in packs)


def test_a_pack_of_one_is_what_it_holds() -> None:
    assert pack([b"\x0aone"]) == b"\x0aone"
    assert unpack(pack([b"\x0aone"])) == (b"\x0aone",)
    assert unpack(pack([b"\x0aone", b"\x0atwo"])) == (b"\x0aone", b"\x0atwo")


def test_a_cut_pack_is_malformed() -> None:
    with pytest.raises(Malformed):
        unpack(pack([b"\x0aone", b"\x0atwo"])[:-2])


async def test_a_failed_pack_refuses_exactly_its_messages(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    blobs.fail = True
    outcomes = await asyncio.gather(*(spool.accept(letter(LOCAL)) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(outcome, SpoolUnavailable) for outcome in outcomes)
    blobs.fail = False
    await spool.accept(letter(LOCAL))
    assert len(bus.published) == 1


async def test_a_large_message_has_an_object_of_its_own(spool: Spool, blobs: Blobs, bus: Bus) -> None:
    await asyncio.gather(
        spool.accept(letter(LOCAL, content=b"a: b\r\n\r\n" + b"x" * 600_000)), spool.accept(letter(LOCAL))
    )
    assert sorted(len(list(read_records(data))) for data in blobs.objects.values()) == [1, 1]


def test_queue_ids_sort_by_time_and_never_repeat() -> None:
    ids = [new_queue_id() for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert all(len(each) == 26 for each in ids)
    assert sorted(each[:10] for each in ids) == [each[:10] for each in ids]


async def test_fields_that_were_put_in_front_count_as_the_messages_own(spool: Spool, bus: Bus) -> None:
    added = b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <made@a.test>\r\n"
    sent = dataclasses.replace(letter(LOCAL), added_fields=added)
    await spool.accept(sent)
    [[(_, payload)]] = bus.published
    got = decode(payload)
    assert got.envelope.trace_prefix == b"Received: here\r\n" + added
    assert got.facts.envelope.startswith(b'("Sat, 21 Nov 2026 12:00:00 +0000" "hi" ')
    assert got.facts.envelope.endswith(b'"<made@a.test>")')
    assert got.facts.sent_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert got.facts.header == b"Subject: hi\r\n\r\n"
    assert got.envelope.size_octets == len(sent.content)


async def test_only_the_tenants_who_want_it_have_it_quarantined(spool: Spool, bus: Bus) -> None:
    sent = dataclasses.replace(letter(LOCAL, OTHER), quarantined_tenants=frozenset({"tenant-b"}))
    await spool.accept(sent)
    envelopes = [decode(payload).envelope for _, payload in bus.published[0]]
    assert {each.tenant_id: each.handling for each in envelopes} == {
        "tenant-a": Handling.USUAL,
        "tenant-b": Handling.QUARANTINE,
    }


async def test_what_is_made_again_under_its_name_leaves_the_octets_where_the_first_one_said(
    spool: Spool, blobs: Blobs, bus: Bus
) -> None:
    # A process died between the publish and the acknowledgement of what it redirected: the bus and the queue take the
    # second one for the first.
    first = letter(REMOTE, content=b"Subject: large\r\n\r\n" + b"x" * LARGE_OCTETS)
    first = dataclasses.replace(first, source=Source.SIEVE)
    await spool.accept(first)
    await spool.accept(dataclasses.replace(first, trace_prefix=b"Received: here, a little later\r\n"))
    assert len(bus.published) == 2
    for [(_, payload)] in bus.published:
        body = decode(payload).body
        assert body.matches(blobs.objects[body.object_key][body.offset : body.offset + body.length])
