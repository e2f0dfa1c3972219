"""Accounts are suspended by the operator or by their tenant: neither lifts what the other did, by REST, SCIM or command."""

from typing import Any

import asyncpg
import pytest

from tests.support.engines import Engines

from .conftest import PASSWORD, Stage
from .test_command import Command, run
from .test_rest import problem
from .test_roles import Person, person
from .test_scim import Scim


@pytest.fixture
def administrator(stage: Stage, tenant: str) -> Person:
    return person(stage, tenant, "root", "administrator")


def may_log_in(who: Person) -> bool:
    return who("GET", "/v1/whoami").status_code == 200


def said(shown: dict[str, Any]) -> tuple[bool, bool, bool]:
    return shown["suspended"], shown["suspended_by_operator"], shown["suspended_by_tenant"]


def test_a_tenant_does_not_lift_what_the_operator_suspended(
    stage: Stage, tenant: str, administrator: Person
) -> None:
    alice, command = person(stage, tenant, "alice"), Command(stage.url)
    path = f"/v1/accounts/{alice.address}"
    assert said(stage.call("PATCH", path, {"suspended": True}).json()) == (True, True, False)
    for body in ({"suspended": False}, {"suspended_by_tenant": False}):
        assert said(administrator("PATCH", path, body).json()) == (True, True, False)
        assert not may_log_in(alice)
    # Nor goes round it: the same address would be good again.
    assert "operator" in problem(administrator("DELETE", path), 409)
    other = f"other@{alice.address.rpartition('@')[2]}"
    assert administrator("POST", f"{path}/addresses", {"address": other}).status_code == 201
    assert administrator("PUT", f"{path}/primary-address", {"address": other}).status_code == 200
    assert "operator" in problem(administrator("DELETE", f"{path}/addresses/{alice.address}"), 409)
    assert administrator("PUT", f"{path}/primary-address", {"address": alice.address}).status_code == 200
    given = ("--url", stage.url, "--token", PASSWORD)
    shown = run("account", "restore", alice.address, *given, POSTHOUSE_LOGIN=administrator.address)
    assert "still suspended: by the operator" in shown.stdout
    assert command("account", "restore", alice.address).stdout == f"account {alice.address} restored\n"
    assert may_log_in(alice)


def test_what_the_operator_lifts_stays_suspended_where_the_tenant_suspended_it(
    stage: Stage, tenant: str, administrator: Person
) -> None:
    alice, command = person(stage, tenant, "alice"), Command(stage.url)
    path = f"/v1/accounts/{alice.address}"
    assert said(administrator("PATCH", path, {"suspended": True}).json()) == (True, False, True)
    assert said(stage.call("PATCH", path, {"suspended": True}).json()) == (True, True, True)
    assert said(stage.call("PATCH", path, {"display_name": "Alice"}).json()) == (True, True, True)
    assert "still suspended: by its tenant" in command("account", "restore", alice.address).stdout
    assert not may_log_in(alice)
    assert said(administrator("PATCH", path, {"suspended": False}).json()) == (False, False, False)
    assert may_log_in(alice)
    administrator("PATCH", path, {"suspended": True})
    # Who stands above both may lift both.
    lifted = command.json("account", "restore", alice.address, "--even-if-by-tenant")
    assert said(lifted) == (False, False, False)
    assert may_log_in(alice)


def test_identity_management_is_the_tenants(stage: Stage, tenant: str) -> None:
    scim = Scim(stage, tenant)
    made = scim.user("alice", password=PASSWORD)
    path, rest = f"/Users/{made['id']}", f"/v1/accounts/alice{scim.at}"
    stage.call("PATCH", rest, {"suspended": True})
    full = {"userName": made["userName"], "active": True}
    assert scim.call("PUT", path, full).json()["active"] is False
    assert scim.call("DELETE", path).status_code == 409
    # What it sees is not what it wants: only what it says is.
    scim.patch(path, {"op": "replace", "path": "displayName", "value": "Alice"})
    assert said(stage.call("GET", rest).json()) == (True, True, False)
    scim.patch(path, {"op": "replace", "path": "active", "value": False})
    assert said(stage.call("PATCH", rest, {"suspended": False}).json()) == (True, False, True)
    assert scim.call("PUT", path, full).json()["active"] is True


def test_a_list_that_the_operator_suspended_is_not_made_anew(
    stage: Stage, tenant: str, administrator: Person
) -> None:
    news = f"news@{tenant}.example"
    administrator("POST", "/v1/lists", {"address": news, "owners": [administrator.address]})
    stage.call("PATCH", f"/v1/accounts/{news}", {"suspended": True})
    assert "operator" in problem(administrator("DELETE", f"/v1/lists/{news}"), 409)
    assert stage.call("DELETE", f"/v1/lists/{news}").status_code == 204


async def test_what_the_version_before_suspended_is_the_operators(
    stage: Stage, tenant: str, administrator: Person, engines: Engines
) -> None:
    """It writes one column; its order must not become one that a tenant lifts."""
    alice = person(stage, tenant, "alice")
    path = f"/v1/accounts/{alice.address}"
    connection = await asyncpg.connect(engines.postgres.dsn("directory", "postgres", "postgres"))
    account_id = stage.call("GET", path).json()["account_id"]
    write = "UPDATE account SET suspended = $2 WHERE account_id = $1::uuid"
    try:
        await connection.execute(write, account_id, True)
        assert said(administrator("PATCH", path, {"suspended": False}).json()) == (True, True, False)
        administrator("PATCH", path, {"suspended": True})
        # What it lifts is lifted, and does not come back with the next change.
        await connection.execute(write, account_id, False)
        assert said(administrator("PATCH", path, {"display_name": "A"}).json()) == (False, False, False)
    finally:
        await connection.close()
