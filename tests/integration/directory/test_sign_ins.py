"""The sign-in log: what it says of an account, what it keeps, and that it stands in nobody's way."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from directory.adapters import journal as journals
from directory.adapters.journal import Journal
from directory.adapters.sign_ins import write
from directory.ports import SignInRecord
from mailwire.directory.v1 import access_pb2 as access
from mailwire.directory.v1 import directory_pb2 as wire
from pgkit import DatabaseUnavailable, open_pool

from tests.support.engines import Engines

from .conftest import PASSWORD, House


async def log(house: House, account: str, **page: object) -> access.ListSignInsResponse:
    request = access.ListSignInsRequest(account=account, **page)  # type: ignore[arg-type]
    answer: access.ListSignInsResponse = await house.access.ListSignIns(request)
    return answer


def told(answer: access.ListSignInsResponse) -> list[tuple[str, str, str, int]]:
    return [(each.service, each.address, each.outcome, each.times) for each in answer.sign_ins]


async def test_it_says_who_came_in_or_tried_the_latest_first(house: House) -> None:
    login = house.at("alice")
    account = await house.account(login)
    await house.account(house.at("bob"))
    start = house.clock.now
    await house.log_in(login, PASSWORD, "imap", "192.0.2.1")
    house.clock.advance(1)
    await house.log_in(login, "wrong", "smtp", "::ffff:192.0.2.2")
    house.clock.advance(1)
    await house.log_in(login, PASSWORD, "imap", "192.0.2.1")
    house.clock.advance(1)
    await house.log_in(login, PASSWORD, "telnet", "nonsense")
    await house.log_in(house.at("nobody"), PASSWORD)
    await house.journal.write()
    found = await log(house, account.account_id)
    assert told(found) == [
        ("other", "", "granted", 1),
        ("imap", "192.0.2.1", "granted", 2),
        ("smtp", "192.0.2.2", "denied", 1),
    ]
    assert found.sign_ins[1].first_at.ToDatetime(UTC) == start
    assert (found.sign_ins[1].last_at.ToDatetime(UTC) - start).total_seconds() == 2
    assert found.next_page_token == ""
    assert told(await log(house, house.at("bob"))) == []


async def test_what_was_refused_without_a_look_is_in_it_too(house: House) -> None:
    login = house.at("alice")
    await house.account(login)
    for number in range(9):
        await house.log_in(login, f"guess {number}", "pop3", "198.51.100.1")
    await house.journal.write()
    outcomes = {each[2]: each[3] for each in told(await log(house, login))}
    assert outcomes == {"denied": 6, "throttled": 3}


async def test_an_hour_is_one_entry_also_over_several_writes(house: House) -> None:
    login = house.at("alice")
    await house.account(login)
    for _ in range(3):
        await house.log_in(login)
        await house.journal.write()
        house.clock.advance(1200)
    await house.log_in(login)
    await house.journal.write()
    assert told(await log(house, login)) == [
        ("imap", "192.0.2.1", "granted", 1),
        ("imap", "192.0.2.1", "granted", 3),
    ]


async def test_the_log_has_pages(house: House) -> None:
    login = house.at("alice")
    await house.account(login)
    for number in range(7):
        await house.log_in(login, client_address=f"192.0.2.{number}")
        house.clock.advance(number % 2)
    await house.journal.write()
    found, token = [], ""
    while True:
        page = await log(house, login, page_size=3, page_token=token)
        found += told(page)
        token = page.next_page_token
        if not token:
            break
    assert sorted(each[1] for each in found) == [f"192.0.2.{number}" for number in range(7)]
    for wrong in ("x", "a|b|c|d", "2026-11-21T08:00:00|a|b|c"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await log(house, login, page_token=wrong)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_old_entries_go_refused_ones_sooner(house: House) -> None:
    login = house.at("alice")
    await house.account(login)
    await house.log_in(login)
    await house.log_in(login, "wrong")
    await house.journal.write()
    house.clock.advance(31 * 86_400)
    await house.housekeeping.once()
    assert [each[2] for each in told(await log(house, login))] == ["granted"]
    house.clock.advance(60 * 86_400)
    await house.housekeeping.once()
    assert told(await log(house, login)) == []


async def test_an_account_that_is_gone_takes_its_log_with_it_and_stops_no_other_entry(house: House) -> None:
    await house.account(house.at("gone"))
    await house.account(house.at("alice"))
    await house.log_in(house.at("gone"))
    await house.log_in(house.at("alice"))
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=house.at("gone")))
    await house.journal.write()
    assert len(told(await log(house, house.at("alice")))) == 1
    await house.log_in(house.at("alice"))
    await house.journal.write()
    await house.order.DeleteAccount(wire.DeleteAccountRequest(account=house.at("alice")))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await log(house, house.at("alice"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_what_could_not_be_written_is_kept_and_written_later(
    house: House, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await house.account(house.at("alice"))
    pool = await open_pool(engines.dsn("directory", "app"))
    journal = Journal(pool)
    at = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    entry = SignInRecord(account.account_id, "imap", "192.0.2.1", "granted", at, at, times=1)
    real = write

    async def away(*_: object) -> None:
        journal.came(entry)  # Comes while the write is under way.
        raise DatabaseUnavailable("away")

    journal.came(entry)
    monkeypatch.setattr(journals, "write", away)
    with pytest.raises(DatabaseUnavailable):
        await journal.write()
    await journal.close()
    monkeypatch.setattr(journals, "write", real)
    await journal.write()
    assert told(await log(house, house.at("alice"))) == [("imap", "192.0.2.1", "granted", 3)]

    # The task writes by itself what is noted.
    begun = asyncio.Event()

    async def seen(*arguments: Any) -> None:
        begun.set()
        await real(*arguments)

    monkeypatch.setattr(journals, "write", seen)
    task = asyncio.create_task(journal.run(asyncio.Event()))
    journal.came(entry)
    await asyncio.wait_for(begun.wait(), 10)
    await journal.write()  # Waits for the one that is under way.
    assert told(await log(house, house.at("alice"))) == [("imap", "192.0.2.1", "granted", 4)]
    task.cancel()
    await pool.close()
