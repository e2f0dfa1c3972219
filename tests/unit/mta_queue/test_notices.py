"""Who is told what: NOTIFY, RET and ENVID at the last system that knows of them (RFC 3461 §5.2)."""

import asyncio
import email
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import Message
from typing import Any, cast

import pytest
from blobstore import BodyReference
from directoryclient import Disposition, Resolution, Target
from mailmsg.facts import examine
from mailproto.smtp.client import Passed
from mailproto.smtp.dsn_request import MessageRequest, Notify, RecipientRequest, Ret
from mailproto.smtp.reply import Reply
from mailproto.smtp.wishes import ByMode, DeliverBy, TlsWish, Wishes
from mta_queue.core.outcome import Outcome, Verdict, is_to_be_told
from mta_queue.edge.notices import Notices
from mta_queue.ports import Delayed, Due
from senderauth import Result
from spool import Envelope, EnvelopeRecipient, Letter, NoSuchTenant, Source, Speaker, SpoolUnavailable
from spool.codec import encode, facts_to_wire

from tests.support.mime import parts_of

CONTENT = b"From: alice@a.test\r\nSubject: hi\r\n\r\nthe whole text\r\n"
REPLIES = {
    Verdict.DELIVERED: Reply.of(250, "2.0.0", "taken"),
    Verdict.DEFERRED: Reply.of(450, "4.2.0", "later"),
    Verdict.FAILED: Reply.of(550, "5.1.1", "nobody"),
}


def outcome(address: str, verdict: Verdict, dsn: Passed = Passed.NOT_ON) -> Outcome:
    return Outcome(address, verdict, REPLIES[verdict], "mx.b.test", dsn)


@pytest.mark.parametrize(
    ("notify", "told_of_failure", "told_of_success"),
    [
        (None, True, False),
        (Notify.NEVER, False, False),
        (Notify.FAILURE, True, False),
        (Notify.SUCCESS, False, True),
        (Notify.SUCCESS | Notify.FAILURE, True, True),
        (Notify.DELAY, False, False),
    ],
)
def test_who_is_told(notify: Notify | None, told_of_failure: bool, told_of_success: bool) -> None:
    request = RecipientRequest(notify)
    assert is_to_be_told(outcome("b", Verdict.FAILED), request) is told_of_failure
    assert is_to_be_told(outcome("b", Verdict.DELIVERED), request) is told_of_success
    assert not is_to_be_told(outcome("b", Verdict.DELIVERED, Passed.ON), request)
    assert not is_to_be_told(outcome("b", Verdict.DEFERRED), request)


class World:
    """Queue, gate, storage and directory as far as notices need them."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.made: list[str] = []
        self.warned_of: list[int] = []
        self.refusal: SpoolUnavailable | None = None

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [
            Resolution(Disposition.DELIVER, (Target(each, "id-alice", "tenant-a"),)) for each in addresses
        ]

    async def accept(self, letter: Letter) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.letters.append(letter)

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        return CONTENT[offset : offset + length]

    async def notice_made(self, tenant_id: str, queue_id: str, addresses: Sequence[str]) -> None:
        self.made += addresses

    async def warned(self, tenant_id: str, item_id: int) -> None:
        self.warned_of.append(item_id)


def tell(
    outcomes: Sequence[Outcome],
    requests: dict[str, RecipientRequest],
    refusal: SpoolUnavailable | None = None,
    **values: Any,
) -> World:
    world = World()
    world.refusal = refusal
    envelope = Envelope(
        **{
            "queue_id": "01J00000000000000000000000",
            "tenant_id": "tenant-a",
            "reverse_path": "alice@a.test",
            "recipients": tuple(EnvelopeRecipient(each, each, None, requests[each]) for each in requests),
            "arrived_at": datetime(2026, 11, 21, tzinfo=UTC),
            "digest": b"",
            "size_octets": len(CONTENT),
            "trace_prefix": b"Received: x\r\n",
            "source": Source.SUBMISSION,
            "helo": "h",
            "client_address": "127.0.0.1",
            "sender_account_id": "id-alice",
            "smtputf8": False,
            "eight_bit": False,
            **values,
        }
    )
    body = BodyReference("key", 0, len(CONTENT), b"")
    payload = encode(envelope, envelope.recipients, body, facts_to_wire(examine(CONTENT)))
    anything = cast(Any, world)
    notices = Notices("mail.test", anything, anything, anything, anything)
    late = [each for each in outcomes if each.verdict is Verdict.DEFERRED]
    if late:
        until = datetime(2026, 11, 26, tzinfo=UTC)
        asyncio.run(notices.warn(Delayed(7, "tenant-a", envelope.queue_id, payload, tuple(late), until)))
        return world
    asyncio.run(notices.make(Due("tenant-a", envelope.queue_id, payload, tuple(outcomes))))
    return world


def parts(letter: Letter) -> list[Message]:
    [text, status, returned] = parts_of(email.message_from_bytes(letter.content))
    return [text, status, returned]


def test_a_failure_and_a_relay_are_told_apart_and_never_is_never() -> None:
    requests = {
        "b@b.test": RecipientRequest(None, "rfc822;B+2Bx@b.test"),
        "c@b.test": RecipientRequest(Notify.SUCCESS),
        "d@b.test": RecipientRequest(Notify.NEVER),
    }
    outcomes = [outcome("b@b.test", Verdict.FAILED), outcome("c@b.test", Verdict.DELIVERED)]
    world = tell(
        [*outcomes, outcome("d@b.test", Verdict.FAILED)], requests, request=MessageRequest(None, "id+2B1")
    )
    failed, relayed = world.letters
    assert failed.queue_id != relayed.queue_id
    status = str(parts(failed)[1])
    assert "Original-Envelope-Id: id+1" in status
    assert "Original-Recipient: rfc822; B+x@b.test" in status
    assert "Action: failed" in status
    assert "Action: relayed" in str(parts(relayed)[1])
    assert all("d@b.test" not in letter.content.decode() for letter in world.letters)
    assert sorted(world.made) == ["b@b.test", "c@b.test", "d@b.test"]


@pytest.mark.parametrize(("ret", "whole"), [(Ret.FULL, True), (Ret.HEADERS, False), (None, False)])
def test_what_comes_back_of_the_message(ret: Ret | None, whole: bool) -> None:
    world = tell(
        [outcome("b@b.test", Verdict.FAILED)], {"b@b.test": RecipientRequest()}, request=MessageRequest(ret)
    )
    returned = parts(world.letters[0])[2]
    assert returned.get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")
    assert (b"the whole text" in world.letters[0].content) is whole


def test_success_brings_only_the_header_back() -> None:
    world = tell(
        [outcome("b@b.test", Verdict.DELIVERED)],
        {"b@b.test": RecipientRequest(Notify.SUCCESS)},
        request=MessageRequest(Ret.FULL),
    )
    assert b"the whole text" not in world.letters[0].content


def test_nobody_is_told_where_the_reverse_path_is_null() -> None:
    world = tell([outcome("b@b.test", Verdict.FAILED)], {"b@b.test": RecipientRequest()}, reverse_path="")
    assert world.letters == []
    assert world.made == ["b@b.test"]


@pytest.mark.parametrize(
    ("refusal", "made"), [(SpoolUnavailable("away"), []), (NoSuchTenant(), ["b@b.test"])]
)
def test_a_notice_stays_due_while_the_gate_is_away_and_not_for_a_tenant_that_is_gone(
    refusal: SpoolUnavailable, made: list[str]
) -> None:
    world = tell([outcome("b@b.test", Verdict.FAILED)], {"b@b.test": RecipientRequest()}, refusal)
    assert world.made == made


@pytest.mark.parametrize(
    ("spf", "letters"), [(Result.PASS, 1), (Result.FAIL, 0), (Result.NONE, 0), (Result.TEMPERROR, 0)]
)
def test_a_stranger_is_told_where_his_domain_spoke_for_him(spf: Result, letters: int) -> None:
    none = Result.NONE
    speaker = Speaker(spf, "a.test", none, none, "", (), none, (), none, "a.test", "none")
    told = {"b@b.test": RecipientRequest()}
    world = tell([outcome("b@b.test", Verdict.FAILED)], told, speaker=speaker, source=Source.MX)
    assert len(world.letters) == letters
    # It is settled all the same.
    assert world.made == ["b@b.test"]
    # Of a delay neither: anybody's name may stand in the reverse-path of mail that only waits.
    world = tell([outcome("b@b.test", Verdict.DEFERRED)], told, speaker=speaker, source=Source.MX)
    assert len(world.letters) == letters
    assert world.warned_of == [7]


def test_what_had_to_travel_in_tls_does_not_come_back_whole() -> None:
    """RFC 8689 §5: the notice itself may go on without."""
    told = {"b@b.test": RecipientRequest()}
    full = MessageRequest(Ret.FULL)
    for wish, whole in ((TlsWish.REQUIRED, False), (TlsWish.USUAL, True)):
        world = tell([outcome("b@b.test", Verdict.FAILED)], told, request=full, wishes=Wishes(tls=wish))
        [letter] = world.letters
        assert (b"the whole text" in letter.content) is whole
        assert b"Subject:" in letter.content


def test_what_was_asked_for_of_time_is_in_the_notice() -> None:
    """RFC 2852 (Deliver-By-Date), RFC 4865 (Future-Release-Request): fields of the message, before those of recipients."""
    by = DeliverBy(datetime(2026, 11, 22, 8, 30, tzinfo=UTC), ByMode.RETURN)
    wishes = Wishes(deliver_by=by, release_at=datetime(2026, 11, 22, 7, tzinfo=UTC))
    told = {"b@b.test": RecipientRequest()}
    world = tell([outcome("b@b.test", Verdict.FAILED)], told, wishes=wishes)
    [of_message, _] = cast(list[Message], parts(world.letters[0])[1].get_payload())
    assert of_message["Deliver-By-Date"] == "Sun, 22 Nov 2026 08:30:00 +0000"
    assert of_message["Future-Release-Request"] == "until;2026-11-22T07:00:00Z"
    [of_message, _] = cast(
        list[Message], parts(tell([outcome("b@b.test", Verdict.FAILED)], told).letters[0])[1].get_payload()
    )
    assert of_message["Arrival-Date"] == "Sat, 21 Nov 2026 00:00:00 +0000"
    assert not {"deliver-by-date", "future-release-request"} & {name.lower() for name in of_message}


async def test_notices_that_cannot_be_made_now_hide_none_that_come_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the keys of one tenant are away."""
    due = [Due("tenant-a", f"q{number:03d}", b"", (outcome("b", Verdict.FAILED),)) for number in range(180)]
    attempted: list[str] = []

    class Queue:
        async def notices_due(self, limit: int, older_than: datetime, skip: int = 0) -> list[Due]:
            return due[skip : skip + limit]

        async def delayed(self, limit: int, now: datetime, again_at: datetime) -> list[Any]:
            return []

    async def make(_self: Notices, each: Due) -> None:
        attempted.append(each.queue_id)
        if each.queue_id in ("q120", "q179"):
            due.remove(each)

    monkeypatch.setattr(Notices, "make", make)
    queue = cast(Any, Queue())
    notices = Notices("mail.test", queue, queue, queue, queue)
    await notices.sweep_once(asyncio.Event())
    assert sorted(attempted) == [f"q{number:03d}" for number in range(180)]
    assert len(due) == 178
