"""LDAP sources of tenants over REST and by the command."""

import json

from posthouse.__main__ import app
from typer.testing import CliRunner

from .conftest import TOKEN, Stage

SET = ("--base-dn", "dc=example,dc=org", "--bind-dn", "cn=reader,dc=example,dc=org", "--bind-password-stdin")


def posthouse(stage: Stage, *words: str, given: str = "") -> str:
    result = CliRunner().invoke(app, [*words, "--url", stage.url, "--token", TOKEN, "--json"], input=given)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_source_is_set_shown_and_deleted(stage: Stage, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/ldap-source"
    assert stage.call("GET", path).status_code == 404
    posthouse(stage, "tenant", "ldap", "set", tenant, "ldaps://ldap.example", *SET, given="hush hush\n")
    shown = json.loads(posthouse(stage, "tenant", "ldap", "show", tenant))
    assert (shown["url"], shown["filter"], shown["has_bind_password"]) == (
        "ldaps://ldap.example",
        "(mail={address})",
        True,
    )
    assert "hush" not in json.dumps(shown)
    body = {"url": "http://ldap.example", "base_dn": "dc=example"}
    assert stage.call("PUT", path, body).status_code == 422
    assert stage.call("GET", path).json() == shown
    posthouse(stage, "tenant", "ldap", "delete", tenant)
    assert stage.call("DELETE", path).status_code == 404
