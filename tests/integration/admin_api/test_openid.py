"""OpenID providers of a tenant over REST and by the command."""

import json

from posthouse.__main__ import app
from typer.testing import CliRunner

from .conftest import TOKEN, Stage

ISSUER = "https://login.example/realm"


def posthouse(stage: Stage, *words: str, given: str = "") -> str:
    result = CliRunner().invoke(app, [*words, "--url", stage.url, "--token", TOKEN, "--json"], input=given)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_providers_are_set_shown_and_deleted(stage: Stage, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/openid-providers"
    body = {"issuer": ISSUER, "audiences": ["mail"], "client_id": "us", "client_secret": "hush hush"}
    made = stage.call("PUT", path, body)
    assert made.status_code == 200
    assert (made.json()["has_client_secret"], "hush" in made.text) == (True, False)
    posthouse(stage, "tenant", "openid", "set", tenant, ISSUER, "--audience", "mail", "--scope", "imap")
    [shown] = json.loads(posthouse(stage, "tenant", "openid", "list", tenant))
    assert (shown["required_scopes"], shown["client_id"], shown["has_client_secret"]) == (["imap"], "", True)
    assert stage.call("PUT", path, {**body, "issuer": "http://login.example"}).status_code == 422
    assert stage.call("PUT", path, {**body, "audiences": []}).status_code == 422
    assert stage.call("PUT", "/v1/tenants/nobody/openid-providers", body).status_code == 404
    posthouse(stage, "tenant", "openid", "delete", tenant, ISSUER)
    assert stage.call("GET", path).json()["items"] == []
    assert stage.call("DELETE", path, issuer=ISSUER).status_code == 404


def test_a_tenant_without_mail_goes_with_its_providers(stage: Stage, tenant: str) -> None:
    body = {"issuer": ISSUER, "audiences": ["mail"]}
    assert stage.call("PUT", f"/v1/tenants/{tenant}/openid-providers", body).status_code == 200
    assert stage.call("DELETE", f"/v1/domains/{tenant}.example").status_code == 204
    assert stage.call("DELETE", f"/v1/tenants/{tenant}").status_code == 204
