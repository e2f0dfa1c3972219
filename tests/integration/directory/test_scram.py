"""SCRAM-SHA-256 over gRPC: the directory gives the keys, a door looks at the proof, the directory decides."""

import asyncio
import hashlib
import hmac

import asyncpg
import pytest
from directory.core.limits import Rules
from mailwire.directory.v1 import access_pb2 as access
from mailwire.directory.v1 import directory_pb2 as wire

from tests.support.engines import Engines

from .conftest import PASSWORD, House, opened

GRANTED, DENIED, THROTTLED = wire.VERDICT_GRANTED, wire.VERDICT_DENIED, wire.VERDICT_THROTTLED
FREE = Rules().pair.free


async def start(
    house: House, login: str, door: str = "imap", client: str = "192.0.2.1"
) -> wire.StartScramResponse:
    request = wire.StartScramRequest(login=login, door=door, client_address=client)
    answer: wire.StartScramResponse = await house.ask.StartScram(request)
    return answer


async def finish(
    house: House, login: str, credential_id: str, door: str = "imap", client: str = "192.0.2.1"
) -> wire.AuthenticateResponse:
    request = wire.FinishScramRequest(
        login=login, credential_id=credential_id, door=door, client_address=client
    )
    answer: wire.FinishScramResponse = await house.ask.FinishScram(request)
    return answer.answer


def stored_key(password: str, started: wire.StartScramResponse) -> bytes:
    """What a client's proof would be checked against (RFC 5802 §3), by another way than ours."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), started.salt, started.iterations)
    return hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()


def of(password: str, started: wire.StartScramResponse) -> list[str]:
    """The credentials whose key that is."""
    key = stored_key(password, started)
    return [each.credential_id for each in started.candidates if each.stored_key == key]


async def test_the_keys_are_those_of_the_password_and_the_right_proof_lets_in(house: House) -> None:
    login = house.at("alice")
    account = await house.account(login)
    started = await start(house, login.upper())
    assert (len(started.salt), started.iterations) == (16, 4096)
    [credential] = of(PASSWORD, started)
    assert of("wrong", started) == []
    answer = await finish(house, login, credential)
    assert (answer.verdict, answer.granted) == (GRANTED, True)
    assert answer.identity.account_id == account.account_id
    await house.journal.write()
    log = await house.access.ListSignIns(access.ListSignInsRequest(account=login))
    assert [each.outcome for each in log.sign_ins] == ["granted"]
    # A changed password has other keys at once, and the old credential's id is the same.
    change = wire.UpdateAccountRequest(account=login, password="another password")
    await house.order.UpdateAccount(change)
    changed = await start(house, login)
    assert changed.salt == started.salt
    assert of(PASSWORD, changed) == []
    assert of("another password", changed) == [credential]


async def test_app_passwords_work_too_at_their_doors(house: House) -> None:
    login = house.at("alice")
    await house.account(login)
    made = await house.access.CreateAppPassword(
        access.CreateAppPasswordRequest(account=login, name="phone", scopes=["imap"])
    )
    started = await start(house, login)
    [phone] = of(made.password, started)
    assert phone == made.app_password.app_password_id
    assert len(started.candidates) == 2
    assert (await finish(house, login, phone)).verdict == GRANTED
    await house.journal.write()
    [shown] = (
        await house.access.ListAppPasswords(access.ListAppPasswordsRequest(account=login))
    ).app_passwords
    assert shown.last_used_service == "imap"
    elsewhere = await start(house, login, "pop3")
    assert of(made.password, elsewhere) == []
    # Whatever a door may say.
    assert (await finish(house, login, phone, "pop3")).verdict == DENIED
    await house.access.DeleteAppPassword(
        access.DeleteAppPasswordRequest(account=login, app_password_id=phone)
    )
    assert (await finish(house, login, phone)).verdict == DENIED


async def test_nobody_and_one_without_keys_look_like_somebody(house: House, engines: Engines) -> None:
    await house.account(house.at("alice"))
    one, other = await start(house, house.at("nobody")), await start(house, house.at("nobody2"))
    assert one == await start(house, house.at("NOBODY"))
    assert one.salt != other.salt
    assert (len(one.salt), one.iterations, len(one.candidates)) == (16, 4096, 0)
    for wrong in ("", "nonsense", "00000000-0000-4000-8000-000000000000"):
        for login in (house.at("nobody"), house.at("alice"), "no address", ""):
            answer = await finish(house, login, wrong, client=f"198.51.100.{len(wrong) + len(login)}")
            assert answer == wire.AuthenticateResponse(verdict=DENIED)


async def test_anothers_credential_and_a_suspended_account_are_denied(house: House) -> None:
    for name in ("alice", "bob"):
        await house.account(house.at(name))
    [credential] = of(PASSWORD, await start(house, house.at("alice")))
    assert (await finish(house, house.at("bob"), credential)).verdict == DENIED
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("alice"), suspended=True))
    assert of(PASSWORD, await start(house, house.at("alice"))) == [credential]
    assert (await finish(house, house.at("alice"), credential)).verdict == DENIED


async def test_wrong_proofs_count_and_one_that_comes_late_is_not_heard(house: House) -> None:
    login, client = house.at("alice"), "203.0.113.77"
    await house.account(login)
    started = [await start(house, login, client=client) for _ in range(FREE + 3)]
    [credential] = of(PASSWORD, started[0])
    verdicts = [(await finish(house, login, "", client=client)).verdict for _ in range(FREE + 2)]
    assert verdicts == [DENIED] * (FREE + 1) + [THROTTLED]
    assert (await finish(house, login, credential, client=client)).verdict == THROTTLED
    late = await start(house, login, client=client)
    assert (late.verdict, len(late.candidates), late.salt) == (THROTTLED, 0, b"")
    assert late.retry_after_seconds == 2
    assert (await house.log_in(login, client_address=client)).verdict == THROTTLED
    house.clock.advance(2)
    assert (await finish(house, login, credential, client=client)).verdict == GRANTED


async def test_keys_come_with_the_next_login_in_the_clear(house: House, engines: Engines) -> None:
    """For accounts from before, and for those who turned SCRAM on later."""
    login = house.at("alice")
    account = await house.account(login)
    connection = await asyncpg.connect(engines.postgres.dsn("directory", "postgres", "postgres"))
    try:
        await connection.execute(
            """UPDATE credential SET scram_iterations = NULL, scram_stored_key = NULL, scram_server_key = NULL
               WHERE account_id = $1::uuid""",
            account.account_id,
        )
    finally:
        await connection.close()
    before = await start(house, login)
    assert before.candidates == []
    assert not (await house.log_in(login, "wrong password")).granted
    assert (await start(house, login)) == before
    answers = await asyncio.gather(*(house.log_in(login) for _ in range(3)))
    assert all(each.granted for each in answers)
    after = await start(house, login)
    assert after.salt == before.salt
    assert len(of(PASSWORD, after)) == 1


async def test_an_installation_may_want_no_scram(engines: Engines) -> None:
    async with opened(engines, [], scram_iterations=0) as house:
        login = house.at("alice")
        await house.account(login)
        assert (await house.log_in(login)).granted
        for name in ("alice", "nobody"):
            started = await start(house, house.at(name))
            assert (started.iterations, list(started.candidates)) == (0, [])


@pytest.mark.parametrize("password", ["pass\u00adword with what SASLprep drops", "\u0221 unassigned"])
async def test_passwords_that_saslprep_changes_or_refuses(house: House, password: str) -> None:
    login = house.at("alice")
    await house.account(login, password)
    assert (await house.log_in(login, password)).granted
    started = await start(house, login)
    assert len(started.candidates) == (1 if "\u00ad" in password else 0)
    assert of(password.replace("\u00ad", ""), started) == [each.credential_id for each in started.candidates]
