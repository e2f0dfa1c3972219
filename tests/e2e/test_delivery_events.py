"""What happened to mail on its way into mailboxes is told on the bus, and what was noticed about logins."""

import asyncio
import json
import smtplib
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from posthouse.stack.nats import Nats

from tests.e2e.letters import plain
from tests.e2e.test_pop3 import unchecked
from tests.e2e.test_sieve import sieve
from tests.support.platform import Platform


async def listen(platform: Platform, who: str, wanted: int, send: Any) -> list[dict[str, Any]]:
    """The events about an address that follow, until there are so many; others may come with them."""
    found: list[dict[str, Any]] = []
    enough = asyncio.Event()

    async def came(message: Msg) -> None:
        found.extend(
            each
            for each in json.loads(message.data)["events"]
            if who in (each.get("recipient"), each.get("address"))
        )
        if len(found) >= wanted:
            enough.set()

    client = Client()
    await client.connect(
        Nats(platform.layout, platform.ports).url_for("operator"), inbox_prefix="_INBOX_operator"
    )
    try:
        await client.subscribe("events.*", cb=came)
        await client.flush()
        await asyncio.to_thread(send)
        await asyncio.wait_for(enough.wait(), 30)
    finally:
        await client.close()
    return found


async def test_a_delivery_is_told(platform: Platform) -> None:
    [user] = await asyncio.to_thread(platform.create_accounts, ["watched"])

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
            letter = plain("told of", "x@peer.invalid", user.address)
            session.sendmail("x@peer.invalid", [user.address], letter.content)

    about = await listen(platform, user.address, 2, send)
    assert [(each["type"], each.get("mailbox")) for each in about] == [
        ("delivered", None),
        ("filed", "INBOX"),
    ]
    assert about[0]["queue_id"] == about[1]["queue_id"]
    assert about[0]["sender"] == "x@peer.invalid"


async def test_a_login_from_a_new_place_is_told(platform: Platform) -> None:
    [user] = await asyncio.to_thread(platform.create_accounts, ["traveller"])

    def send() -> None:
        for home in ("127.0.0.1", "127.0.0.2"):
            with smtplib.SMTP_SSL(
                "127.0.0.1",
                platform.ports.submissions,
                source_address=(home, 0),
                context=unchecked(),
            ) as session:
                session.login(user.address, user.password)

    [told] = await listen(platform, user.address, 1, send)
    assert (told["type"], told["service"], told["client_address"]) == ("new_device", "smtp", "127.0.0.2")
    assert (told["new_device"], told["suspicious"]) == (True, False)


async def test_a_refusal_by_a_script_is_told(platform: Platform) -> None:
    [user] = await asyncio.to_thread(platform.create_accounts, ["choosy"])

    def send() -> None:
        with sieve(platform, user) as client:
            client.run('require "ereject"; ereject "Not like that.";')
        with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
            letter = plain("refused", "x@peer.invalid", user.address)
            session.sendmail("x@peer.invalid", [user.address], letter.content)

    [about] = await listen(platform, user.address, 1, send)
    assert (about["type"], about["status"], about["sender"]) == ("refused", "5.7.1", "x@peer.invalid")
    assert about["reply"] == "550 5.7.1 Not like that."
