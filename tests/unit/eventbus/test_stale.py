"""A message that lay unfetched longer than the acknowledgement wait comes again by itself: it is not worked on twice."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eventbus import consumer as module
from eventbus.consumer import MailConsumer


class Client:
    is_connected = True

    def new_inbox(self) -> str:
        return "inbox"

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes]] = []

    async def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        self.said.append((subject, payload))


def message(data: bytes, number: int = 1) -> Any:
    return SimpleNamespace(reply=f"$JS.ACK.MAIL.mda.1.{number}.1.1.0", subject="mail.local.1", data=data)


async def test_what_lay_too_long_is_left_to_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    consumer = MailConsumer(cast(Any, Client()), "mda", 10.0)
    await consumer._came(message(b"old"))
    now = 105.0
    await consumer._came(message(b"young"))
    now = 111.0
    assert [each.payload for each in await consumer.fetch(10, 0)] == [b"young"]


async def test_what_was_on_its_way_for_long_has_all_its_time_when_it_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    client = Client()
    consumer = MailConsumer(cast(Any, client), "mda", 9.0)
    await consumer._came(message(b"one", 1))
    now = 102.0
    await consumer._came(message(b"two", 2))
    now = 104.0
    client.said.clear()
    assert [each.payload for each in await consumer.fetch(10, 0)] == [b"one", b"two"]
    assert [each for each in client.said if each[1] == b"+WPI"] == [("$JS.ACK.MAIL.mda.1.1.1.1.0", b"+WPI")]


async def test_no_more_are_asked_for_than_we_may_come_to() -> None:
    client = Client()
    consumer = MailConsumer(cast(Any, client), "mta-queue", 10.0, prefetch=8)
    await consumer.fetch(100, 0)
    asked = [json.loads(payload)["batch"] for subject, payload in client.said if "MSG.NEXT" in subject]
    assert asked == [8]
    for number in range(5):
        await consumer._came(message(b"x", number))
    await consumer.fetch(4, 0)
    await consumer.fetch(4, 0)
    asked = [json.loads(payload)["batch"] for subject, payload in client.said if "MSG.NEXT" in subject]
    assert asked == [8, 4], "as many as were fetched"


def status(code: str, description: str = "") -> Any:
    return SimpleNamespace(
        reply="", subject="inbox", data=b"", headers={"Status": code, "Description": description}
    )


async def test_a_consumer_that_is_gone_is_made_again_and_nobody_asks_in_a_circle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    made: list[float] = []
    away = True

    async def make() -> None:
        made.append(now)
        if away:
            raise TimeoutError

    client = Client()
    consumer = MailConsumer(cast(Any, client), "mda", 9.0, make=make)

    async def asked(at: float) -> int:
        nonlocal now
        now = at
        client.said.clear()
        await consumer.fetch(10, 0)
        return len(client.said)

    assert await asked(100.0) == 1
    await consumer._came(status("409", "Consumer Deleted"))
    assert await asked(100.1) == 0, "at once it would be refused again"
    assert await asked(101.0) == 0, "it could not be made yet"
    away = False
    assert await asked(102.0) == 1
    assert made == [101.0, 102.0]
    await consumer._came(status("408", "Request Timeout"))
    assert await asked(102.0) == 1, "the ordinary end of a request is followed by the next one"
    await consumer._came(status("503"))
    assert (await asked(102.1), await asked(103.0), len(made)) == (0, 1, 3)
    await consumer._came(status("409", "Leadership Change"))
    assert (await asked(103.1), await asked(104.0), len(made)) == (0, 1, 3)
