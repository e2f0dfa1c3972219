"""Accounts with a role ask the admin API: an administrator for its own tenant, an auditor to look, nobody for others.

Which routes are whose is walked over the whole API; what is another tenant's is asked for by every route that there is.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from admin_api.edge.callers import OWN as OWN_ACCOUNT
from admin_api.edge.callers import TENANTS_OWN
from typer.testing import Result

from .conftest import PASSWORD, Stage
from .test_command import Command, run
from .test_rest import problem
from .test_scim import Scim

OWN = TENANTS_OWN


@dataclass
class Person:
    """Somebody who asks with an address and a password."""

    stage: Stage
    address: str
    password: str = PASSWORD

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.stage.client.request(
            method, path, auth=(self.address, self.password), json=body, params=query
        )


def person(stage: Stage, tenant: str, name: str, *roles: str) -> Person:
    address = f"{name}@{tenant}.example"
    body = {"address": address, "password": PASSWORD, "roles": list(roles)}
    made = stage.call("POST", "/v1/accounts", body)
    assert made.status_code == 201, made.text
    assert made.json()["roles"] == list(roles)
    return Person(stage, address)


def logged(stage: Stage, address: str) -> set[tuple[str, str]]:
    """What the sign-in log has by now: it is written a little later."""
    found = stage.call("GET", f"/v1/accounts/{address}/sign-ins").json()["items"]
    return {(each["service"], each["outcome"]) for each in found}


@pytest.fixture
def administrator(stage: Stage, tenant: str) -> Person:
    return person(stage, tenant, "root", "administrator")


@pytest.fixture
def auditor(stage: Stage, tenant: str) -> Person:
    return person(stage, tenant, "eve", "auditor")


@pytest.fixture
def other(stage: Stage, tenant: str) -> str:
    """Another tenant, with something of everything."""
    name = f"other-of-{tenant}"
    stage.call("POST", "/v1/tenants", {"name": name})
    stage.call("POST", "/v1/domains", {"name": f"{name}.example", "tenant": name})
    at = f"@{name}.example"
    for path, body in (
        ("/v1/accounts", {"address": "bob" + at, "password": PASSWORD}),
        ("/v1/accounts", {"address": "gone" + at, "password": PASSWORD}),
        ("/v1/aliases", {"address": "team" + at, "targets": ["bob" + at]}),
        ("/v1/lists", {"address": "news" + at, "owners": ["bob" + at]}),
        ("/v1/delegations", {"address": "team" + at, "delegate": "bob" + at, "right": "send_as"}),
        (f"/v1/accounts/bob{at}/app-passwords", {"name": "phone"}),
        (f"/v1/domains/{name}.example/dkim", {"algorithms": ["ed25519-sha256"]}),
    ):
        made = stage.call("POST", path, body)
        assert made.status_code == 201, (path, made.text)
    assert stage.call("DELETE", f"/v1/accounts/gone{at}").status_code == 204
    return name


def routes(stage: Stage) -> Iterator[tuple[str, str]]:
    """(method, path) of all that ask who somebody is."""
    for path, methods in stage.client.get("/openapi.json").json()["paths"].items():
        for method in methods if path.startswith("/v1/") else ():
            yield method.upper(), path


def filled(path: str, **values: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: values.get(found[1], "x"), path)


def test_which_routes_are_whose_is_said_of_every_route(
    stage: Stage, administrator: Person, auditor: Person
) -> None:
    known = list(routes(stage))
    assert set(OWN) <= {path for _, path in known}, "a route that is not there"
    for method, path in known:
        wanted = filled(path)
        is_granted = method in OWN.get(path, ())
        answer = administrator(method, wanted)
        assert (answer.status_code == 403) is not is_granted, (method, path, answer.text)
        answer = auditor(method, wanted)
        assert (answer.status_code == 403) is not (is_granted and method == "GET"), (
            method,
            path,
            answer.text,
        )


def test_everybody_has_what_is_the_own_accounts_and_nothing_else(stage: Stage, tenant: str) -> None:
    user, other = person(stage, tenant, "user"), person(stage, tenant, "other")
    auditor = person(stage, tenant, "eve", "auditor")
    account_id = stage.call("GET", f"/v1/accounts/{user.address}").json()["account_id"]
    for method, path in routes(stage):
        answer = user(method, filled(path, account=user.address.upper()))
        assert (answer.status_code == 403) is not (method in OWN_ACCOUNT.get(path, ())), (method, path)
        if "{account}" in path:
            answer = user(method, filled(path, account=other.address))
            assert answer.status_code == 403, (method, path)
    assert user("GET", f"/v1/accounts/{account_id}").json()["address"] == user.address
    for who in (user, auditor):
        settings = f"/v1/accounts/{who.address}/settings"
        assert who("PATCH", settings, {"forward_to": ["me@elsewhere.example"]}).json()["forward_to"]
        for quota in ("quota_octets", "quota_messages"):
            assert quota in problem(who("PATCH", settings, {quota: 1}), 403)
        made = who("POST", f"/v1/accounts/{who.address}/app-passwords", {"name": "phone"}).json()
        path = f"/v1/accounts/{who.address}/app-passwords/{made['app_password_id']}"
        assert who("DELETE", path).status_code == 204
        problem(who("PATCH", f"/v1/accounts/{who.address}", {"roles": ["administrator"]}), 403)
    problem(auditor("PATCH", f"/v1/accounts/{user.address}/settings", {"locale": "en"}), 403)


def test_what_is_another_tenants_is_not_there(stage: Stage, administrator: Person, other: str) -> None:
    at = f"@{other}.example"
    tenant_id = stage.call("GET", f"/v1/tenants/{other}").json()["tenant_id"]
    bob = stage.call("GET", f"/v1/accounts/bob{at}").json()["account_id"]
    [gone] = stage.call("GET", "/v1/deleted-accounts", tenant=other).json()["items"]
    [password] = stage.call("GET", f"/v1/accounts/bob{at}/app-passwords").json()["items"]
    [mailing_list] = stage.call("GET", "/v1/lists", tenant=other).json()["items"]
    [key] = stage.call("GET", f"/v1/domains/{other}.example/dkim").json()["items"]

    def all_of_it() -> list[Any]:
        asked: tuple[tuple[str, dict[str, str]], ...] = (
            ("/v1/accounts", {"tenant": other}),
            ("/v1/aliases", {"tenant": other}),
            ("/v1/lists", {"tenant": other}),
            ("/v1/deleted-accounts", {"tenant": other}),
            ("/v1/delegations", {"address": "team" + at}),
            (f"/v1/accounts/{bob}/app-passwords", {}),
            (f"/v1/domains/{other}.example/dkim", {}),
            (f"/v1/domains/{other}.example/routing", {}),
            (f"/v1/tenants/{other}/policy", {}),
        )
        return [stage.call("GET", path, **query).json() for path, query in asked]

    before = all_of_it()
    names = (
        {"tenant": other, "account": "bob" + at, "address": "team" + at, "mailing_list": "news" + at},
        {
            "tenant": tenant_id,
            "account": bob,
            "address": "team" + at,
            "mailing_list": mailing_list["list_id"],
        },
    )
    bodies: dict[str, Any] = {
        "PATCH /v1/accounts/{account}": {"password": "another password", "roles": ["administrator"]},
        "PATCH /v1/tenants/{tenant}/policy": {"greylisting": True},
        "PATCH /v1/accounts/{account}/settings": {"locale": "en"},
        "PUT /v1/accounts/{account}/settings": {"locale": "en"},
        "POST /v1/accounts/{account}/app-passwords": {"name": "mine"},
        "POST /v1/accounts/{account}/addresses": {"address": "mine" + at},
        "PUT /v1/accounts/{account}/primary-address": {"address": "bob" + at},
        "POST /v1/accounts/{account}/second-factors/totp": {"name": "mine"},
        "POST /v1/accounts": {"address": "mine" + at, "password": PASSWORD},
        "POST /v1/aliases": {"address": "mine" + at, "targets": [administrator.address]},
        "PUT /v1/aliases/{address}": {"targets": [administrator.address]},
        "POST /v1/delegations": {
            "address": "team" + at,
            "delegate": administrator.address,
            "right": "send_as",
        },
        "POST /v1/lists": {"address": "mine" + at, "owners": [administrator.address]},
        "PATCH /v1/lists/{mailing_list}": {"name": "mine"},
        "POST /v1/lists/{mailing_list}/members": {"addresses": [administrator.address]},
        "POST /v1/lists/{mailing_list}/members/remove": {"addresses": ["bob" + at]},
        "POST /v1/shared-mailboxes": {"address": "mine" + at},
        "POST /v1/mailboxes": {"account": bob, "name": "Mine"},
        "PUT /v1/mailboxes/rights": {
            "account": bob,
            "name": "INBOX",
            "identifier": administrator.address,
            "rights": "lr",
        },
        "PUT /v1/domains/{name}/routing": {"catch_all": [administrator.address]},
        "POST /v1/domains/{name}/dkim": {"algorithms": ["ed25519-sha256"]},
        "POST /v1/tenants/{tenant}/scim-tokens": {"name": "mine"},
        "PUT /v1/tenants/{tenant}/scripts/{name}": {"script": "discard;"},
    }
    query = {"account": bob, "delegate": bob}
    tried, known = 0, set(routes(stage))
    for values in names:
        values |= {
            "name": f"{other}.example",
            "account_id": gone["account_id"],
            "app_password_id": password["app_password_id"],
            "selector": key["selector"],
        }
        for path, methods in OWN.items():
            for method in methods:
                if path in ("/v1/whoami", "/v1/health") or (method, path) not in known:
                    continue
                body = bodies.get(f"{method} {path}")
                answer = administrator(method, filled(path, **values), body, **query)
                tried += 1
                if answer.status_code == 200:
                    shown = answer.json()
                    rows = shown["items"] if isinstance(shown, dict) and "items" in shown else [shown]
                    # A list of its own, or nothing at all.
                    assert method == "GET" or shown == {"lifted": 0}, (method, path, shown)
                    assert other not in answer.text, (path, rows)
                else:
                    assert answer.status_code in (404, 422), (method, path, answer.text)
                    assert body is None or answer.status_code == 404 or "tenant" in answer.text, answer.text
    assert tried > 150
    assert all_of_it() == before
    named = administrator("GET", "/v1/accounts", tenant=other)
    assert named.status_code == 404


def test_an_administrator_runs_its_tenant(stage: Stage, tenant: str, administrator: Person) -> None:
    at = f"@{tenant}.example"
    who = administrator("GET", "/v1/whoami").json()
    assert (who["address"], who["roles"]) == (administrator.address, ["administrator"])
    assert [each["name"] for each in administrator("GET", "/v1/tenants").json()["items"]] == [tenant]
    made = administrator("POST", "/v1/accounts", {"address": "new" + at, "password": PASSWORD})
    assert made.status_code == 201
    found = administrator("GET", "/v1/accounts").json()["items"]
    assert [each["address"] for each in found] == ["new" + at, "root" + at]
    assert administrator("PATCH", f"/v1/accounts/new{at}", {"suspended": True}).json()["suspended"]
    assert administrator("DELETE", f"/v1/accounts/new{at}").status_code == 204
    [gone] = administrator("GET", "/v1/deleted-accounts").json()["items"]
    restored = administrator("POST", f"/v1/deleted-accounts/{gone['account_id']}/restore")
    assert restored.json()["address"] == "new" + at
    assert administrator("DELETE", f"/v1/accounts/new{at}").status_code == 204
    assert administrator("DELETE", f"/v1/deleted-accounts/{gone['account_id']}").status_code == 204
    chosen = administrator("PATCH", f"/v1/tenants/{tenant}/policy", {"junk_score": 7})
    assert chosen.json()["junk_score"] == 7
    for field in ("max_tenant_messages_per_day", "max_account_recipients_per_hour", "tenant_quota_octets"):
        sentence = problem(administrator("PATCH", f"/v1/tenants/{tenant}/policy", {field: 1}), 403)
        assert field in sentence
    for method, path, body in (
        ("PATCH", f"/v1/tenants/{tenant}", {"suspended": False}),
        ("DELETE", f"/v1/tenants/{tenant}", None),
        ("POST", "/v1/domains", {"name": "elsewhere.example", "tenant": tenant}),
        ("DELETE", f"/v1/domains/{tenant}.example", None),
    ):
        assert "operator" in problem(administrator(method, path, body), 403)


def test_an_auditor_looks_and_changes_nothing(
    stage: Stage, tenant: str, auditor: Person, administrator: Person
) -> None:
    assert len(auditor("GET", "/v1/accounts").json()["items"]) == 2
    assert auditor("GET", f"/v1/accounts/{administrator.address}/app-passwords").status_code == 200
    news = f"news@{tenant}.example"
    assert (
        administrator("POST", "/v1/lists", {"address": news, "owners": [auditor.address]}).status_code == 201
    )
    for part in ("members", "suspended"):
        assert auditor("GET", f"/v1/lists/{news}/{part}").json()["items"] == []
    sentence = problem(auditor("PATCH", f"/v1/accounts/{auditor.address}", {"roles": ["administrator"]}), 403)
    assert "auditor" in sentence
    assert stage.call("GET", f"/v1/accounts/{auditor.address}").json()["roles"] == ["auditor"]


def test_who_has_no_role_or_a_wrong_password_asks_for_nothing(
    stage: Stage, tenant: str, administrator: Person
) -> None:
    user = person(stage, tenant, "user")
    assert "no role" in problem(user("GET", "/v1/accounts"), 403)
    problem(Person(stage, administrator.address, "wrong")("GET", "/v1/accounts"), 401)
    problem(Person(stage, f"nobody@{tenant}.example")("GET", "/v1/accounts"), 401)
    for given in ("Basic !!!", "Basic bm9jb2xvbg==", "Basic /////w==", "Bearer a.b.c", "Bearer x", "", "x"):
        answer = httpx.get(
            stage.url + "/v1/whoami", headers={"Authorization": given}, trust_env=False, timeout=20
        )
        problem(answer, 401)
    # A role that is taken away is gone with the next request.
    assert administrator("GET", "/v1/whoami").status_code == 200
    stage.call("PATCH", f"/v1/accounts/{administrator.address}", {"roles": []})
    assert administrator("GET", "/v1/whoami").json()["roles"] == []
    problem(administrator("GET", "/v1/accounts"), 403)
    stage.call("PATCH", f"/v1/accounts/{administrator.address}", {"roles": ["auditor"], "suspended": True})
    problem(administrator("GET", "/v1/whoami"), 401)


def test_guessing_an_administrators_password_is_slowed_down(stage: Stage, administrator: Person) -> None:
    answers = [
        Person(stage, administrator.address, f"guess {number}")("GET", "/v1/whoami").status_code
        for number in range(30)
    ]
    assert answers[0] == 401
    assert answers[-1] == 429
    stage.call("DELETE", "/v1/login-limits", account=administrator.address)
    assert administrator("GET", "/v1/whoami").status_code == 200
    wanted = {("admin", "denied"), ("admin", "throttled"), ("admin", "granted")}
    stage.until(lambda: logged(stage, administrator.address) >= wanted)


def test_an_app_password_opens_the_admin_api_only_where_it_was_made_for_it(
    stage: Stage, administrator: Person
) -> None:
    path = f"/v1/accounts/{administrator.address}/app-passwords"
    everything = stage.call("POST", path, {"name": "all doors to mail"}).json()
    assert "admin" not in everything["scopes"]
    problem(Person(stage, administrator.address, everything["password"])("GET", "/v1/whoami"), 401)
    made = stage.call("POST", path, {"name": "scripts", "scopes": ["admin"]}).json()
    assert Person(stage, administrator.address, made["password"])("GET", "/v1/whoami").status_code == 200


def test_roles_over_scim(stage: Stage, tenant: str) -> None:
    scim = Scim(stage, tenant)
    made = scim.user("alice", roles=[{"value": "Auditor"}])
    assert made["roles"] == [{"value": "auditor"}]
    path = f"/Users/{made['id']}"
    replaced = scim.call("PUT", path, {"userName": made["userName"]}).json()
    assert replaced["roles"] == [{"value": "auditor"}]
    added = scim.patch(path, {"op": "add", "path": "roles", "value": [{"value": "administrator"}]}).json()
    assert added["roles"] == [{"value": "administrator"}, {"value": "auditor"}]
    shown = stage.call("GET", f"/v1/accounts/{made['userName']}").json()
    assert shown["roles"] == ["administrator", "auditor"]
    fewer = scim.patch(path, {"op": "remove", "path": 'roles[value eq "administrator"]'}).json()
    assert fewer["roles"] == [{"value": "auditor"}]
    assert scim.patch(path, {"op": "remove", "path": "roles"}).json()["roles"] == []
    assert scim.patch(path, {"op": "replace", "value": {"roles": ["administrator"]}}).json()["roles"]
    assert scim.call("PUT", path, {"userName": made["userName"], "roles": []}).json()["roles"] == []
    wrong = scim.patch(path, {"op": "add", "path": "roles", "value": [{"value": "emperor"}]})
    assert (wrong.status_code, wrong.json()["scimType"]) == (400, "invalidValue")


def test_an_administrator_uses_the_command(stage: Stage, tenant: str, administrator: Person) -> None:
    path = f"/v1/accounts/{administrator.address}/app-passwords"
    password = stage.call("POST", path, {"name": "scripts", "scopes": ["admin"]}).json()["password"]

    def command(*words: str, login: str = administrator.address) -> Result:
        return run(*words, "--url", stage.url, "--token", password, POSTHOUSE_LOGIN=login)

    listed = command("account", "list", "--json")
    assert [each["address"] for each in json.loads(listed.stdout)] == [administrator.address]
    refused = command("domain", "create", "elsewhere.example", "--tenant", tenant)
    assert (refused.exit_code, "operator" in refused.stderr) == (1, True)
    assert command("account", "list", login=f"nobody@{tenant}.example").exit_code == 1


def test_roles_by_the_command(stage: Stage, tenant: str) -> None:
    command = Command(stage.url)
    user = person(stage, tenant, "carol")
    assert command("account", "role", user.address, "auditor").stdout.strip().endswith("auditor")
    assert command.json("account", "show", user.address)["roles"] == ["auditor"]
    assert "no role" in command("account", "role", user.address).stdout
    command("account", "role", user.address, "emperor", code=1)
    shared = stage.call("POST", "/v1/shared-mailboxes", {"address": f"desk@{tenant}.example"}).json()
    answer = stage.call("PATCH", f"/v1/accounts/{shared['account_id']}", {"roles": ["auditor"]})
    assert "shared" in problem(answer, 422)
