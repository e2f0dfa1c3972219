"""A message that lay unfetched longer than the acknowledgement wait comes again by itself: it is not worked on twice."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from eventbus import consumer as module
from eventbus.consumer import MailConsumer


class Client:
    is_connected = True

    def new_inbox(self) -> str:
        return "inbox"

    async def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        return


def message(data: bytes) -> Any:
    return SimpleNamespace(reply="$JS.ACK.MAIL.mda.1.1.1.1.0", subject="mail.local.1", data=data)


async def test_what_lay_too_long_is_left_to_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    consumer = MailConsumer(cast(Any, Client()), "mda", 10.0)
    await consumer._came(message(b"old"))
    now = 105.0
    await consumer._came(message(b"young"))
    now = 111.0
    assert [each.payload for each in await consumer.fetch(10, 0)] == [b"young"]
