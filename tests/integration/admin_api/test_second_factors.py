"""Second factors over REST and by the command."""

import json

import pyotp
from posthouse.__main__ import app
from typer.testing import CliRunner

from .conftest import PASSWORD, TOKEN, Stage


def posthouse(stage: Stage, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--url", stage.url, "--token", TOKEN, "--json"])
    assert result.exit_code == 0, result.output
    return result.stdout


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
