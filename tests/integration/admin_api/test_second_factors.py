"""Second factors over REST and by the command."""

import json

import pyotp
from posthouse.__main__ import app
from typer.testing import CliRunner

from .conftest import PASSWORD, TOKEN, Stage


def posthouse(stage: Stage, *words: str) -> str:
    return said(stage, *words, "--json")


def said(stage: Stage, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*words, "--url", stage.url, "--token", TOKEN])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def test_enrolled_shown_and_taken_away(stage: Stage, tenant: str) -> None:
    address = f"alice@{tenant}.example"
    assert stage.call("POST", "/v1/accounts", {"address": address, "password": PASSWORD}).status_code == 201
    path = f"/v1/accounts/{address}/second-factors"
    made = stage.call("POST", f"{path}/totp", {"name": "phone"}).json()
    confirm = f"{path}/totp/{made['factor_id']}/confirm"
    assert stage.call("POST", confirm, {"totp_code": "000000"}).status_code == 422
    assert stage.call("POST", f"{path}/recovery-codes").status_code == 409
    shown = stage.call("POST", confirm, {"totp_code": pyotp.TOTP(made["secret"]).now()})
    assert (shown.status_code, shown.json()["kind"]) == (200, "totp")
    assert (
        len(json.loads(posthouse(stage, "account", "second-factor", "recovery-codes", address))["codes"])
        == 10
    )
    listed = json.loads(posthouse(stage, "account", "second-factor", "list", address))
    assert ([each["name"] for each in listed["items"]], listed["recovery_codes_left"]) == (["phone"], 10)
    assert made["secret"] not in json.dumps(listed)
    # No web site was named to this installation.
    assert stage.call("POST", f"{path}/webauthn/options").status_code == 409
    posthouse(stage, "account", "second-factor", "delete", address, made["factor_id"])
    assert stage.call("GET", path).json() == {"items": [], "recovery_codes_left": 0}
    assert stage.call("DELETE", f"{path}/{made['factor_id']}").status_code == 404


def test_a_seed_by_the_command_counts_when_a_code_of_it_was_given(stage: Stage, tenant: str) -> None:
    address = f"dora@{tenant}.example"
    assert stage.call("POST", "/v1/accounts", {"address": address, "password": PASSWORD}).status_code == 201
    of = ("account", "second-factor")
    told = said(stage, *of, "add-totp", address, "phone [bold]").split("\n")
    secret, factor_id = told[0].removeprefix("secret "), told[2].split()[-2]
    assert pyotp.parse_uri(told[1]).secret == secret
    assert said(stage, *of, "list", address).startswith("The account has no second factor.")
    confirm = (*of, "confirm-totp", address, factor_id)
    assert said(stage, *confirm, "000000", code=1).startswith("posthouse: ")
    assert said(stage, *of, "list", address).startswith("The account has no second factor.")
    now = said(stage, *confirm, pyotp.TOTP(secret).now())
    assert now == f"phone [bold] is a second factor of {address} now\n"
    [listed] = json.loads(posthouse(stage, *of, "list", address))["items"]
    assert (listed["factor_id"], listed["kind"]) == (factor_id, "totp")
    made = json.loads(posthouse(stage, *of, "add-totp", address, "tablet"))
    code = pyotp.TOTP(made["secret"]).now()
    shown = json.loads(posthouse(stage, *of, "confirm-totp", address, made["factor_id"], code))
    assert shown["name"] == "tablet"
