"""Certificates of clients over REST and by the command."""

import json
from pathlib import Path

import trustme
from posthouse.__main__ import app
from typer.testing import CliRunner

from .conftest import PASSWORD, TOKEN, Stage


def posthouse(stage: Stage, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--url", stage.url, "--token", TOKEN, "--json"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_of_an_account_and_of_a_tenant(stage: Stage, tenant: str, tmp_path: Path) -> None:
    ca, address = trustme.CA(), f"alice@{tenant}.example"
    leaf = ca.issue_cert(address).cert_chain_pems[0]
    assert stage.call("POST", "/v1/accounts", {"address": address, "password": PASSWORD}).status_code == 201
    for kind, owner, pem, path in (
        ("account certificate", address, leaf, f"/v1/accounts/{address}/certificates"),
        ("tenant authority", tenant, ca.cert_pem, f"/v1/tenants/{tenant}/client-authorities"),
    ):
        pem.write_to_path(tmp_path / "one.pem")
        made = json.loads(posthouse(stage, *kind.split(), "add", owner, "ours", str(tmp_path / "one.pem")))
        assert stage.call("GET", path).json()["items"] == [made]
        body = {"name": "again", "certificate": pem.bytes().decode()}
        assert stage.call("POST", path, body).status_code == 409
        assert stage.call("POST", path, {**body, "certificate": "nonsense"}).status_code == 422
        posthouse(stage, *kind.split(), "delete", owner, made["fingerprint"])
        assert json.loads(posthouse(stage, *kind.split(), "list", owner)) == []
        assert stage.call("DELETE", f"{path}/{made['fingerprint']}").status_code == 404
