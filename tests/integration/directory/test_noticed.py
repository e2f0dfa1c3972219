"""What is noticed about logins: in the sign-in log, and told on the bus."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from directory.core.limits import Rules
from eventbus import EventBus
from eventbus.subjects import LOGIN_NOTICED
from mailwire.directory.v1 import access_pb2 as access

from tests.support.engines import Engines

from .conftest import House

HOME, CAFE, ELSEWHERE = "192.0.2.10", "198.51.100.7", "203.0.113.99"


class Ear:
    """Hears what is told about logins."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    def hear(self, _subject: str, payload: bytes) -> None:
        self.heard.put_nowait(json.loads(payload))

    async def next(self) -> dict[str, object]:
        return await asyncio.wait_for(self.heard.get(), 10)


@pytest.fixture
async def ear(engines: Engines) -> AsyncIterator[Ear]:
    ear, bus = Ear(), await EventBus.connect(engines.nats.url, name="test")
    listening = await bus.listen(LOGIN_NOTICED, ear.hear)
    yield ear
    await listening.stop()
    await bus.close()


async def entries(house: House, login: str) -> dict[tuple[str, str], tuple[bool, bool]]:
    await house.journal.write()
    found = await house.access.ListSignIns(access.ListSignInsRequest(account=login))
    return {(each.address, each.outcome): (each.new_device, each.suspicious) for each in found.sign_ins}


async def test_a_new_place_is_noticed_once_and_the_first_of_all_is_none(house: House, ear: Ear) -> None:
    login = house.at("alice")
    account = await house.account(login)
    for client in (HOME, HOME, CAFE, CAFE, HOME):
        assert (await house.log_in(login, client_address=client)).granted
    said = await ear.next()
    assert said == {
        "tenant_id": house.tenant_id,
        "account_id": account.account_id,
        "address": login,
        "service": "imap",
        "client_address": CAFE,
        "at": house.clock.now.isoformat(),
        "new_device": True,
        "suspicious": False,
    }
    assert await entries(house, login) == {
        (HOME, "granted"): (False, False),
        (CAFE, "granted"): (True, False),
    }
    # After a month it is new again.
    house.clock.advance(31 * 86_400)
    assert (await house.log_in(login, client_address=CAFE)).granted
    assert (await ear.next())["new_device"] is True
    assert ear.heard.empty()


async def test_a_yes_after_much_guessing_is_suspicious(house: House, ear: Ear) -> None:
    login = house.at("alice")
    await house.account(login)
    assert (await house.log_in(login, client_address=HOME)).granted
    for number in range(Rules().pair.free):
        await house.log_in(login, f"guess {number}", client_address=ELSEWHERE)
    assert (await house.log_in(login, client_address=ELSEWHERE)).granted
    said = await ear.next()
    assert (said["client_address"], said["new_device"], said["suspicious"]) == (ELSEWHERE, True, True)
    assert (await entries(house, login))[ELSEWHERE, "granted"] == (True, True)


async def test_a_yes_where_others_were_guessed_at_is_suspicious(house: House, ear: Ear) -> None:
    login = house.at("alice")
    await house.account(login)
    assert (await house.log_in(login, client_address=HOME)).granted
    for number in range(Rules().prefix.free // 2):
        await house.log_in(house.at(f"nobody{number}"), "Winter2026", client_address=ELSEWHERE)
    assert (await house.log_in(login, client_address=ELSEWHERE)).granted
    assert (await ear.next())["suspicious"] is True
    # A few wrong ones are everybody's.
    for number in range(2):
        await house.log_in(login, f"mistyped {number}", client_address=HOME)
    assert (await house.log_in(login, client_address=HOME)).granted
    assert (await entries(house, login))[HOME, "granted"] == (False, False)
    assert ear.heard.empty()
