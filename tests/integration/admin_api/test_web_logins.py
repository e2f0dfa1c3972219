"""People log in as at a web site: password, second factor, and what they ask with from then on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyotp
import pytest

from .conftest import PASSWORD, Stage
from .test_rest import problem
from .test_roles import Person, logged, person


def begin(stage: Stage, login: str, password: str = PASSWORD) -> httpx.Response:
    return httpx.post(
        f"{stage.url}/login", json={"login": login, "password": password}, trust_env=False, timeout=20
    )


def finish(stage: Stage, challenge_id: str, **proof: Any) -> httpx.Response:
    return httpx.post(f"{stage.url}/login/{challenge_id}", json=proof, trust_env=False, timeout=20)


def with_totp(stage: Stage, who: Person) -> tuple[pyotp.TOTP, list[str]]:
    """A second factor of somebody's, and recovery codes."""
    path = f"/v1/accounts/{who.address}/second-factors"
    made = stage.call("POST", f"{path}/totp", {"name": "phone"}).json()
    totp = pyotp.TOTP(made["secret"])
    now = datetime.now(UTC)
    # A code counts once; the test's own one comes from the next step.
    confirmed = stage.call("POST", f"{path}/totp/{made['factor_id']}/confirm", {"totp_code": totp.at(now)})
    assert confirmed.status_code == 200, confirmed.text
    return totp, stage.call("POST", f"{path}/recovery-codes").json()["codes"]


@pytest.fixture
def administrator(stage: Stage, tenant: str) -> Person:
    return person(stage, tenant, "root", "administrator")


def test_a_password_alone_where_there_is_no_second_factor(stage: Stage, administrator: Person) -> None:
    entered = begin(stage, administrator.address.upper())
    assert entered.status_code == 200, entered.text
    made = entered.json()
    assert (made["address"], made["roles"]) == (administrator.address, ["administrator"])
    lasts = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=58) < lasts <= timedelta(hours=1)
    asking = Person(stage, administrator.address, made["password"])
    assert asking("GET", "/v1/whoami").json()["roles"] == ["administrator"]
    path = f"/v1/accounts/{administrator.address}/app-passwords"
    assert asking("DELETE", f"{path}/{made['app_password_id']}").status_code == 204
    problem(asking("GET", "/v1/whoami"), 401)


def test_with_a_second_factor_both_steps_are_needed(stage: Stage, administrator: Person) -> None:
    totp, codes = with_totp(stage, administrator)
    problem(administrator("GET", "/v1/whoami"), 401)
    asked = begin(stage, administrator.address)
    challenge = asked.json()
    assert (asked.status_code, sorted(challenge["kinds"])) == (200, ["recovery", "totp"])
    assert "password" not in challenge
    problem(finish(stage, challenge["challenge_id"], totp_code="000000"), 401)
    problem(finish(stage, challenge["challenge_id"]), 401)
    later = totp.at(datetime.now(UTC) + timedelta(seconds=30))
    made = finish(stage, challenge["challenge_id"], totp_code=later)
    assert made.status_code == 200, made.text
    assert (
        Person(stage, administrator.address, made.json()["password"])("GET", "/v1/whoami").status_code == 200
    )
    # Neither the challenge nor the code is good again.
    problem(finish(stage, challenge["challenge_id"], totp_code=later), 401)
    again = begin(stage, administrator.address).json()["challenge_id"]
    problem(finish(stage, again, totp_code=later), 401)
    assert finish(stage, again, recovery_code=codes[0]).status_code == 200
    once = begin(stage, administrator.address).json()["challenge_id"]
    problem(finish(stage, once, recovery_code=codes[0]), 401)
    problem(finish(stage, "no-challenge", totp_code=later), 401)


def test_who_may_not(stage: Stage, tenant: str, administrator: Person) -> None:
    user = person(stage, tenant, "user")
    assert begin(stage, user.address).json()["roles"] == []
    wrong, nobody = begin(stage, user.address, "wrong"), begin(stage, f"nobody@{tenant}.example")
    assert problem(wrong, 401) == problem(nobody, 401)
    assert begin(stage, administrator.address, "x" * 1025).status_code == 422
    answers = [begin(stage, administrator.address, f"guess {number}") for number in range(8)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    # The same door's limits: the operator lifts them.
    stage.call("DELETE", "/v1/login-limits", account=administrator.address)
    assert begin(stage, administrator.address).status_code == 200
    stage.until(lambda: ("web", "throttled") in logged(stage, administrator.address))


def test_the_oldest_of_many_logins_ends(stage: Stage, administrator: Person) -> None:
    path = f"/v1/accounts/{administrator.address}/app-passwords"
    own = stage.call("POST", path, {"name": "web login of mine", "scopes": ["admin"]}).json()
    made = [begin(stage, administrator.address).json() for _ in range(12)]
    kept = {each["app_password_id"] for each in stage.call("GET", path).json()["items"]}
    assert kept == {each["app_password_id"] for each in (own, *made[2:])}
