"""Web logins in two steps, and what a second factor means for all other doors."""

from collections.abc import Awaitable, Callable

import grpc
import pyotp
import pytest
from mailwire.directory.v1 import access_pb2 as access
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1 import second_factor_pb2 as second

from tests.support.authenticator import Authenticator
from tests.support.engines import Engines

from .conftest import PASSWORD, House, opened
from .test_questions import DENIED as NO

GRANTED, DENIED, THROTTLED = wire.VERDICT_GRANTED, wire.VERDICT_DENIED, wire.VERDICT_THROTTLED


class User:
    """One who logs in at the web site."""

    def __init__(self, house: House, name: str = "alice", client: str = "192.0.2.40") -> None:
        self.house, self.address, self.client = house, house.at(name), client
        self.seed = ""

    def code(self, steps: int = 0) -> str:
        """What the program in the telephone shows."""
        return str(pyotp.TOTP(self.seed).at(int(self.house.clock.now.timestamp()) + 30 * steps))

    async def enrol_totp(self) -> str:
        made = await self.house.factors.EnrolTotp(second.EnrolTotpRequest(account=self.address, name="phone"))
        self.seed = made.secret
        await self.confirm(made.factor_id, self.code())
        self.house.clock.advance(30)
        return str(made.factor_id)

    async def confirm(self, factor_id: str, code: str) -> None:
        request = second.ConfirmTotpRequest(account=self.address, factor_id=factor_id, totp_code=code)
        await self.house.factors.ConfirmTotp(request)

    async def enrol_key(self, authenticator: Authenticator) -> str:
        begun = await self.house.factors.BeginWebauthnEnrolment(
            second.BeginWebauthnEnrolmentRequest(account=self.address)
        )
        made = await self.house.factors.FinishWebauthnEnrolment(
            second.FinishWebauthnEnrolmentRequest(
                account=self.address,
                challenge_id=begun.challenge_id,
                name="key",
                response_json=authenticator.create(begun.options_json),
            )
        )
        return str(made.factor.factor_id)

    async def begin(self, password: str = PASSWORD) -> second.BeginWebLoginResponse:
        request = second.BeginWebLoginRequest(
            login=self.address, password=password, client_address=self.client
        )
        answer: second.BeginWebLoginResponse = await self.house.web.BeginWebLogin(request)
        return answer

    async def finish(self, challenge_id: str, **proof: str) -> "wire.Verdict.ValueType":
        request = second.FinishWebLoginRequest(
            challenge_id=challenge_id,
            client_address=self.client,
            **proof,
        )
        answer: second.FinishWebLoginResponse = await self.house.web.FinishWebLogin(request)
        if answer.answer.granted:
            assert answer.answer.identity.address == self.address
        return answer.answer.verdict

    async def log_in(self, **proof: str) -> "wire.Verdict.ValueType":
        return await self.finish((await self.begin()).challenge_id, **proof)


@pytest.fixture
async def alice(house: House) -> User:
    await house.account(house.at("alice"))
    return User(house)


async def code_of(call: Awaitable[object]) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code()


async def test_without_a_second_factor_one_step_is_enough(alice: User) -> None:
    begun = await alice.begin()
    assert (begun.answer.verdict, begun.challenge_id) == (GRANTED, "")
    assert begun.answer.identity.address == alice.address
    for user in (alice, User(alice.house, "nobody")):
        begun = await user.begin("wrong")
        assert begun == second.BeginWebLoginResponse(answer=NO)


async def test_a_code_is_the_second_step_and_counts_once(alice: User) -> None:
    await alice.enrol_totp()
    begun = await alice.begin()
    assert (begun.answer, list(begun.kinds)) == (NO, ["totp"])
    assert await alice.finish(begun.challenge_id, totp_code=alice.code()) == GRANTED
    # Neither the challenge nor the code again, nor one from before it.
    assert await alice.finish(begun.challenge_id, totp_code=alice.code(1)) == DENIED
    assert await alice.log_in(totp_code=alice.code()) == DENIED
    assert await alice.log_in(totp_code=alice.code(-1)) == DENIED
    # A clock that is half a minute off.
    assert await alice.log_in(totp_code=alice.code(1)) == GRANTED
    alice.house.clock.advance(60)
    for wrong in (
        "000000",
        "",
        "12345",
        alice.code(5),
        alice.code() + "0",
        "\u0661\u0662\u0663\u0661\u0662\u0663",
    ):
        await alice.house.access.LiftLoginLimits(access.LiftLoginLimitsRequest(account=alice.address))
        assert await alice.log_in(totp_code=wrong) == DENIED


async def test_it_is_none_until_it_is_confirmed(alice: User) -> None:
    house = alice.house
    answer = await house.log_in(alice.address)
    guest = wire.Guest(account_id=answer.identity.account_id, credential=answer.credential)
    made = await house.factors.EnrolTotp(second.EnrolTotpRequest(account=alice.address, name="phone"))
    assert made.uri.startswith("otpauth://totp/")
    assert made.secret in made.uri
    assert (await alice.begin()).answer.verdict == GRANTED
    assert await code_of(alice.confirm(made.factor_id, "000000")) is grpc.StatusCode.INVALID_ARGUMENT
    listed = await house.factors.ListSecondFactors(second.ListSecondFactorsRequest(account=alice.address))
    assert list(listed.factors) == []
    barred = wire.FindBarredRequest(guests=[guest])
    assert not (await house.ask.FindBarred(barred)).guests
    # From then on nobody is in by the password alone, nor stays in.
    await alice.enrol_totp()
    assert list((await house.ask.FindBarred(barred)).guests) == [guest]


async def test_a_security_key_is_the_second_step(alice: User) -> None:
    key = Authenticator()
    await alice.enrol_key(key)
    begun = await alice.begin()
    assert list(begun.kinds) == ["webauthn"]
    response = key.get(begun.webauthn_options_json)
    assert await alice.finish(begun.challenge_id, webauthn_response_json=response) == GRANTED
    assert await alice.finish(begun.challenge_id, webauthn_response_json=response) == DENIED
    # An answer to another challenge.
    assert await alice.log_in(webauthn_response_json=response) == DENIED


async def test_answers_of_keys_that_let_nobody_in(alice: User) -> None:
    key, copy = Authenticator(), Authenticator()
    await alice.enrol_key(key)
    copy.id = key.id
    away = Authenticator("https://mail.example.evil.example")
    away.id, away._key = key.id, key._key
    responses: tuple[Callable[[str], str], ...] = (
        lambda options: copy.get(options),
        lambda options: away.get(options),
        lambda options: key.get(options, domain="evil.example"),
        lambda options: "{}",
        lambda options: "[]",
        lambda options: "no JSON",
        lambda options: '{"rawId": "' + "A" * 70_000 + '"}',
        lambda options: key.get(options).replace("signature", "signatur"),
    )
    for response in responses:
        begun = await alice.begin()
        await alice.house.access.LiftLoginLimits(access.LiftLoginLimitsRequest(account=alice.address))
        answer = response(begun.webauthn_options_json)
        assert await alice.finish(begun.challenge_id, webauthn_response_json=answer) == DENIED
    # A counter that goes back: somebody has a copy of the key.
    begun = await alice.begin()
    key.counter = 0
    answer = key.get(begun.webauthn_options_json)
    assert await alice.finish(begun.challenge_id, webauthn_response_json=answer) == DENIED


async def test_a_key_without_a_counter_works_again_and_again(alice: User) -> None:
    key = Authenticator(counts=False)
    await alice.enrol_key(key)
    for _ in range(3):
        begun = await alice.begin()
        answer = key.get(begun.webauthn_options_json)
        assert await alice.finish(begun.challenge_id, webauthn_response_json=answer) == GRANTED


async def test_recovery_codes_count_once_each(alice: User) -> None:
    make = second.MakeRecoveryCodesRequest(account=alice.address)
    assert await code_of(alice.house.factors.MakeRecoveryCodes(make)) is grpc.StatusCode.FAILED_PRECONDITION
    factor_id = await alice.enrol_totp()
    old = (await alice.house.factors.MakeRecoveryCodes(make)).codes
    codes = (await alice.house.factors.MakeRecoveryCodes(make)).codes
    assert len(set(codes)) == 10
    assert await alice.log_in(recovery_code=old[0]) == DENIED
    assert await alice.log_in(recovery_code=codes[0].upper().replace("-", " ")) == GRANTED
    assert await alice.log_in(recovery_code=codes[0]) == DENIED
    listed = await alice.house.factors.ListSecondFactors(
        second.ListSecondFactorsRequest(account=alice.address)
    )
    assert (listed.recovery_codes_left, [each.kind for each in listed.factors]) == (9, ["totp"])
    # Without a second factor they stand for nothing.
    await alice.house.factors.DeleteSecondFactor(
        second.DeleteSecondFactorRequest(account=alice.address, factor_id=factor_id)
    )
    assert (await alice.begin()).answer.verdict == GRANTED


async def test_other_doors_take_app_passwords_only(alice: User) -> None:
    house, address = alice.house, alice.address
    [password] = (await house.ask.StartScram(wire.StartScramRequest(login=address, door="imap"))).candidates
    app = await house.access.CreateAppPassword(
        access.CreateAppPasswordRequest(account=address, name="phone", scopes=["imap"])
    )
    factor_id = await alice.enrol_totp()
    # An old program that insists is a nuisance to nobody: it is counted once.
    for _ in range(8):
        assert (await house.log_in(address)).verdict == DENIED
    assert (await house.log_in(address, app.password)).verdict == GRANTED
    # The web site's door too, where it does not ask for the second step.
    assert (await house.log_in(address, door="web")).verdict == DENIED
    started = await house.ask.StartScram(wire.StartScramRequest(login=address, door="imap"))
    assert [each.credential_id for each in started.candidates] == [app.app_password.app_password_id]
    finish = wire.FinishScramRequest(login=address, credential_id=password.credential_id, door="imap")
    assert (await house.ask.FinishScram(finish)).answer.verdict == DENIED
    await house.factors.DeleteSecondFactor(
        second.DeleteSecondFactorRequest(account=address, factor_id=factor_id)
    )
    assert (await house.log_in(address)).verdict == GRANTED


async def test_codes_cannot_be_guessed(alice: User) -> None:
    await alice.enrol_totp()
    begun = await alice.begin()
    for _ in range(5):
        assert await alice.finish(begun.challenge_id, totp_code="000000") == DENIED
    assert await alice.finish(begun.challenge_id, totp_code=alice.code()) == DENIED, "tried too often"
    # The right password does not forgive wrong codes.
    begun = await alice.begin()
    assert await alice.finish(begun.challenge_id, totp_code="000000") == DENIED
    assert (await alice.begin()).answer.verdict == THROTTLED
    assert await alice.finish(begun.challenge_id, totp_code=alice.code()) == THROTTLED


async def test_a_challenge_is_for_its_own_account_and_for_some_minutes(alice: User) -> None:
    bob = User(alice.house, "bob")
    await alice.house.account(bob.address)
    await alice.enrol_totp()
    await bob.enrol_totp()
    begun = await alice.begin()
    assert await bob.finish(begun.challenge_id, totp_code=bob.code()) == DENIED
    assert await alice.finish("nonsense", totp_code=alice.code()) == DENIED
    alice.house.clock.advance(301)
    assert await alice.finish(begun.challenge_id, totp_code=alice.code()) == DENIED
    # A challenge of an enrolment is none of a login.
    started = await alice.house.factors.BeginWebauthnEnrolment(
        second.BeginWebauthnEnrolmentRequest(account=alice.address)
    )
    assert await alice.finish(started.challenge_id, totp_code=alice.code()) == DENIED
    await alice.house.order.UpdateAccount(wire.UpdateAccountRequest(account=bob.address, suspended=True))
    assert (await bob.begin()).answer.verdict == DENIED


async def test_without_a_secret_there_are_no_seeds(engines: Engines, clean: None) -> None:
    async with opened(engines, [], dkim_secrets=()) as house:
        await house.account(house.at("alice"))
        enrol = second.EnrolTotpRequest(account=house.at("alice"), name="phone")
        assert await code_of(house.factors.EnrolTotp(enrol)) is grpc.StatusCode.FAILED_PRECONDITION
