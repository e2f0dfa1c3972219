"""What happened to mail is told, a second's events together."""

import asyncio
import json
from typing import Any

from mailstore import Outcome
from mda.core.findings import Finding, Verdict
from mda.core.plan import plan
from mda.core.sieving import carry_out
from mda.core.told import OVER_QUOTA
from mda.edge.reporting import MOST_OCTETS, MOST_TOGETHER, Reporting
from sieve.actions import FileInto, Keep, Target
from sieve.errors import Place

from tests.support.mda_world import World, letter_of

CONTENT = b"From: eve@peer.invalid\r\nSubject: x\r\n\r\nx\r\n"


class Told:
    def __init__(self) -> None:
        self.payloads: list[tuple[str, list[dict[str, Any]]]] = []
        self.draining = asyncio.Event()
        self.reporting = Reporting(self, self.draining)

    def __call__(self, tenant_id: str, payload: bytes) -> None:
        self.payloads.append((tenant_id, json.loads(payload)["events"]))

    @property
    def events(self) -> list[dict[str, Any]]:
        self.reporting.flush()
        return [event for _, events in self.payloads for event in events]


def test_each_copy_is_filed_and_each_recipient_has_it_once() -> None:
    told, letter = Told(), letter_of(CONTENT, accounts=("bob", "carol"))
    bob, carol = plan(letter)
    actions = (Keep(Place(1)), FileInto(Place(2), Target("Archive")))
    copies = carry_out(bob, actions, (), lambda _target: "Archive", is_looping=False).deliveries
    told.reporting.filed(letter.envelope, [*copies, carol], [Outcome.FILED, Outcome.FILED, Outcome.REPEATED])
    assert [(each["type"], each["recipient"], each.get("mailbox")) for each in told.events] == [
        ("delivered", "bob@example.test", None),
        ("filed", "bob@example.test", "INBOX"),
        ("filed", "bob@example.test", "Archive"),
    ]
    assert {each["queue_id"] for each in told.events} == {letter.envelope.queue_id}
    assert {each["sender"] for each in told.events} == {"eve@peer.invalid"}
    assert len({each["id"] for each in told.events}) == 3


def test_what_a_script_dropped_and_what_had_no_room_is_not_filed() -> None:
    told, letter = Told(), letter_of(CONTENT)
    [delivery] = plan(letter)
    [dropped] = carry_out(delivery, (), (), lambda _target: None, is_looping=False).deliveries
    told.reporting.filed(letter.envelope, [dropped, delivery], [Outcome.FILED, Outcome.OVER_QUOTA])
    assert told.events == []


async def test_the_filing_tells_what_it_files_and_what_it_refuses() -> None:
    world, told = World(), Told()
    world.full = {"id-carol"}
    world.send(CONTENT, accounts=("bob",))
    world.send(CONTENT, accounts=("carol",))
    await world.file(reporting=told.reporting)
    kinds = sorted((each["type"], each["recipient"]) for each in told.events)
    assert kinds == [
        ("delivered", "bob@example.test"),
        ("filed", "bob@example.test"),
        ("refused", "carol@example.test"),
    ]
    [refused] = [each for each in told.events if each["type"] == "refused"]
    assert (refused["status"], refused["reply"]) == (OVER_QUOTA.status, OVER_QUOTA.reason)


def test_what_is_kept_back_says_why() -> None:
    told, letter = Told(), letter_of(CONTENT)
    told.reporting.quarantined(letter.envelope, [Finding("clamav", Verdict.VIRUS, "Eicar")])
    [event] = told.events
    assert (event["type"], event["recipients"]) == ("quarantined", ["bob@example.test"])
    assert event["findings"] == ["clamav: virus Eicar"]


async def test_a_second_s_events_are_one_message_and_many_are_several() -> None:
    told, letter = Told(), letter_of(CONTENT)
    [delivery] = plan(letter)
    running = asyncio.create_task(told.reporting.run())
    for _ in range(MOST_TOGETHER // 2 - 1):
        told.reporting.filed(letter.envelope, [delivery], [Outcome.FILED])
    assert told.payloads == []
    told.reporting.filed(letter.envelope, [delivery], [Outcome.FILED])
    assert [len(events) for _, events in told.payloads] == [MOST_TOGETHER]
    told.reporting.filed(letter.envelope, [delivery], [Outcome.FILED])
    # What waits is told before the end.
    told.draining.set()
    await running
    assert [(tenant, len(events)) for tenant, events in told.payloads] == [
        (letter.envelope.tenant_id, MOST_TOGETHER),
        (letter.envelope.tenant_id, 2),
    ]


def test_events_of_many_long_addresses_fit_into_messages_of_the_bus_in_their_order() -> None:
    payloads: list[bytes] = []
    reporting = Reporting(lambda _tenant_id, payload: payloads.append(payload), asyncio.Event())
    finding = Finding("fake", Verdict.VIRUS, "it-says-so")
    letters = [letter_of(CONTENT, accounts=[f"{n:0>200}" for n in range(1000)]) for _ in range(8)]
    for letter in letters:
        reporting.quarantined(letter.envelope, [finding])
    reporting.flush()
    assert max(map(len, payloads)) <= MOST_OCTETS
    told = [event["queue_id"] for payload in payloads for event in json.loads(payload)["events"]]
    assert told == [letter.envelope.queue_id for letter in letters]
