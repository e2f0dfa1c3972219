"""Addresses, delegates, deleted accounts and routing over REST and by the command."""

import json

from typer.testing import CliRunner

from .conftest import PASSWORD, TOKEN, Stage


def account(stage: Stage, address: str, **more: object) -> dict[str, str]:
    answer = stage.call("POST", "/v1/accounts", {"address": address, "password": PASSWORD, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def posthouse(stage: Stage, *words: str) -> str:
    from posthouse.__main__ import app

    result = CliRunner().invoke(app, [*words, "--url", stage.url, "--token", TOKEN, "--json"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_addresses(stage: Stage, tenant: str) -> None:
    at = f"@{tenant}.example"
    alice = account(stage, f"alice{at}")
    path = f"/v1/accounts/alice{at}/addresses"
    assert stage.call("POST", path, {"address": f"a.smith{at}"}).status_code == 201
    assert stage.call("POST", path, {"address": f"a1ice{at}"}).status_code == 409
    body = {"address": f"a1ice{at}", "even_if_confusable": True}
    assert stage.call("POST", path, body).status_code == 201
    posthouse(stage, "account", "address", "add", f"alice{at}", f"smith{at}")
    posthouse(stage, "account", "address", "primary", f"alice{at}", f"smith{at}")
    listed = json.loads(posthouse(stage, "account", "address", "list", f"smith{at}"))
    assert [each["address"] for each in listed] == [f"smith{at}", f"a.smith{at}", f"a1ice{at}", f"alice{at}"]
    posthouse(stage, "account", "address", "remove", f"smith{at}", f"a1ice{at}")
    assert stage.call("DELETE", f"{path}/smith{at}").status_code == 409
    assert stage.call("GET", f"/v1/accounts/a.smith{at}").json()["account_id"] == alice["account_id"]


def test_delegates(stage: Stage, tenant: str) -> None:
    at = f"@{tenant}.example"
    for name in ("boss", "aide"):
        account(stage, f"{name}{at}")
    posthouse(stage, "account", "delegate", "allow", f"boss{at}", f"aide{at}", "--on-behalf")
    [listed] = stage.call("GET", "/v1/delegations", delegate=f"aide{at}").json()["items"]
    assert (listed["address"], listed["right"]) == (f"boss{at}", "send_on_behalf")
    posthouse(stage, "account", "delegate", "revoke", f"boss{at}", f"aide{at}")
    assert json.loads(posthouse(stage, "account", "delegate", "list", "--address", f"boss{at}")) == []
    assert stage.call("GET", "/v1/delegations").status_code == 422


def test_deleted_accounts(stage: Stage, tenant: str) -> None:
    at = f"@{tenant}.example"
    ids = {name: account(stage, f"{name}{at}")["account_id"] for name in ("alice", "bob")}
    for name in ids:
        assert stage.call("DELETE", f"/v1/accounts/{name}{at}").status_code == 204
    listed = json.loads(posthouse(stage, "account", "deleted", "list", "--tenant", tenant))
    assert {each["account_id"]: each["addresses"] for each in listed} == {
        ids[name]: [f"{name}{at}"] for name in ids
    }
    posthouse(stage, "account", "deleted", "restore", ids["alice"])
    assert stage.call("GET", f"/v1/accounts/alice{at}").status_code == 200
    posthouse(stage, "account", "deleted", "remove", ids["bob"])
    assert stage.call("POST", f"/v1/deleted-accounts/{ids['bob']}/restore").status_code == 404
    assert stage.call("POST", "/v1/deleted-accounts/nonsense/restore").status_code == 404


def test_routing_of_a_domain(stage: Stage, tenant: str) -> None:
    at = f"@{tenant}.example"
    account(stage, f"alice{at}")
    brand = f"brand.{tenant}.example"
    assert stage.call("POST", "/v1/domains", {"name": brand, "tenant": tenant}).status_code == 201
    posthouse(stage, "domain", "routing", brand, "--alias-of", f"{tenant}.example")
    posthouse(stage, "domain", "routing", brand, "--catch-all", f"alice{at}")
    path = f"/v1/domains/{brand}/routing"
    assert stage.call("GET", path).json() == {"alias_of": f"{tenant}.example", "catch_all": [f"alice{at}"]}
    posthouse(stage, "domain", "routing", brand, "--alias-of", "")
    assert stage.call("GET", path).json()["alias_of"] == ""
    assert stage.call("PUT", path, {"alias_of": "elsewhere.example"}).status_code == 404
