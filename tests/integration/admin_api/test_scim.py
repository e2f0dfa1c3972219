"""SCIM 2.0 over HTTP: a tenant's identity management, its own accounts and groups, and nobody else's."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from posthouse.__main__ import app
from typer.testing import CliRunner

from .conftest import PASSWORD, TOKEN, Stage

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Scim:
    """A client with a token of one tenant."""

    def __init__(self, stage: Stage, tenant: str) -> None:
        made = stage.call("POST", f"/v1/tenants/{tenant}/scim-tokens", {"name": "test"}).json()
        self.token_id = made["token_id"]
        self.at = f"@{tenant}.example"
        self.headers = {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/scim+json"}
        self._url = stage.url

    def call(
        self, method: str, path: str, body: Any = None, *, version: str = "", **query: Any
    ) -> httpx.Response:
        headers = {**self.headers, **({"If-Match": version} if version else {})}
        return httpx.request(
            method,
            f"{self._url}/scim/v2{path}",
            headers=headers,
            json=body,
            params=query,
            timeout=20,
            trust_env=False,
        )

    def user(self, local_part: str, **more: Any) -> dict[str, Any]:
        answer = self.call("POST", "/Users", {"userName": local_part + self.at, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def patch(self, path: str, *operations: dict[str, Any]) -> httpx.Response:
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture
def scim(stage: Stage, tenant: str) -> Scim:
    return Scim(stage, tenant)


def test_a_user_is_an_account(stage: Stage, scim: Scim) -> None:
    made = scim.user(
        "alice", externalId="e-1", name={"givenName": "Alice", "familyName": "Smith"}, password=PASSWORD
    )
    account = stage.call("GET", f"/v1/accounts/alice{scim.at}").json()
    assert (account["account_id"], account["display_name"]) == (made["id"], "Alice Smith")
    got = scim.call("GET", f"/Users/{made['id']}")
    assert got.headers["content-type"] == "application/scim+json"
    assert (got.json(), got.headers["etag"]) == (made, made["meta"]["version"])
    again = scim.call("POST", "/Users", {"userName": f"alice{scim.at}"})
    assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
    other = scim.call("POST", "/Users", {"userName": f"bob{scim.at}", "externalId": "e-1"})
    assert other.status_code == 409
    assert stage.call("GET", f"/v1/accounts/bob{scim.at}").status_code == 404, "all or nothing"
    wrong: tuple[object, ...] = (
        {},
        {"userName": "x"},
        {"userName": "x@elsewhere.example"},
        {"userName": f"y{scim.at}", "active": 1},
        [],
    )
    for bad in wrong:
        answer = scim.call("POST", "/Users", bad)
        assert (answer.status_code, answer.json()["schemas"]) == (
            400,
            ["urn:ietf:params:scim:api:messages:2.0:Error"],
        )


def test_changes_are_patched_and_put(stage: Stage, scim: Scim) -> None:
    made = scim.user("alice")
    path = f"/Users/{made['id']}"
    off = scim.patch(path, {"op": "Replace", "path": "active", "value": "False"}).json()
    assert off["active"] is False
    assert stage.call("GET", f"/v1/accounts/alice{scim.at}").json()["suspended"] is True
    # Whoever has an old version changes nothing.
    stale = scim.call("PUT", path, {"userName": f"alice{scim.at}"}, version=made["meta"]["version"])
    assert stale.status_code == 412
    body = {"userName": f"a.smith{scim.at}", "displayName": "Smith", "active": True}
    put = scim.call("PUT", path, body, version=off["meta"]["version"]).json()
    assert [each["value"] for each in put["emails"]] == [f"a.smith{scim.at}", f"alice{scim.at}"]
    assert (put["active"], put["displayName"]) == (True, "Smith")
    same = httpx.get(
        f"{stage.url}/scim/v2{path}",
        headers={**scim.headers, "If-None-Match": put["meta"]["version"]},
        trust_env=False,
    )
    assert same.status_code == 304
    assert scim.patch(path, {"op": "replace", "path": "id", "value": "x"}).json()["scimType"] == "invalidPath"
    assert scim.call("DELETE", path).status_code == 204
    assert scim.call("GET", path).status_code == 404
    [deleted] = stage.call("GET", "/v1/deleted-accounts", tenant=scim.at[1:].removesuffix(".example")).json()[
        "items"
    ]
    assert deleted["account_id"] == made["id"]


def test_lists_are_filtered_and_paged(scim: Scim) -> None:
    for name in ("alice", "bob", "carol"):
        scim.user(name, externalId=f"e-{name}")
    page = scim.call("GET", "/Users", startIndex=2, count=1).json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (3, 2, 1)
    assert [each["userName"] for each in page["Resources"]] == [f"bob{scim.at}"]
    for filter_ in (
        f'userName eq "CAROL{scim.at}"',
        'externalId eq "e-carol"',
        f'emails.value eq "carol{scim.at}"',
    ):
        found = scim.call("GET", "/Users", filter=filter_).json()
        assert [each["userName"] for each in found["Resources"]] == [f"carol{scim.at}"], filter_
    assert scim.call("GET", "/Users", filter='userName eq "x"').json()["totalResults"] == 0
    assert scim.call("GET", "/Users", filter="userName pr").json()["scimType"] == "invalidFilter"
    assert scim.call("GET", "/Users", count=0).json()["Resources"] == []
    assert scim.call("GET", "/Users", count="many").status_code == 400


def test_a_group_is_an_alias_of_its_members(stage: Stage, scim: Scim) -> None:
    ids = [scim.user(name)["id"] for name in ("alice", "bob")]
    body = {"displayName": "Our S\u00e4les Team", "externalId": "g-1", "members": [{"value": ids[0]}]}
    made = scim.call("POST", "/Groups", body).json()
    address = f"our-sales-team{scim.at}"
    assert stage.call("GET", f"/v1/aliases/{address}").json()["targets"] == [f"alice{scim.at}"]
    path = f"/Groups/{made['id']}"
    more = scim.patch(path, {"op": "add", "path": "members", "value": [{"value": ids[1]}]}).json()
    assert [each["display"] for each in more["members"]] == [f"alice{scim.at}", f"bob{scim.at}"]
    less = scim.patch(path, {"op": "remove", "path": f'members[value eq "{ids[0]}"]'}).json()
    assert [each["value"] for each in less["members"]] == [ids[1]]
    assert stage.call("GET", f"/v1/aliases/{address}").json()["targets"] == [f"bob{scim.at}"]
    assert (
        scim.patch(path, {"op": "add", "path": "members", "value": [{"value": "nobody"}]}).status_code == 400
    )
    found = scim.call("GET", "/Groups", filter='displayName eq "our s\u00e4les team"').json()
    assert [each["id"] for each in found["Resources"]] == [made["id"]]
    assert scim.call("DELETE", path).status_code == 204
    assert stage.call("GET", f"/v1/aliases/{address}").status_code == 404


def test_a_token_is_one_tenants_and_opens_nothing_else(stage: Stage, tenant: str, scim: Scim) -> None:
    other = f"{tenant}-other"
    stage.call("POST", "/v1/tenants", {"name": other})
    stage.call("POST", "/v1/domains", {"name": f"{other}.example", "tenant": other})
    theirs, mine = Scim(stage, other), scim.user("alice")
    path = f"/Users/{mine['id']}"
    for method, body in (("GET", None), ("PUT", {"userName": f"x{theirs.at}"}), ("DELETE", None)):
        assert theirs.call(method, path, body).status_code == 404
    assert theirs.call("GET", "/Users").json()["totalResults"] == 0
    assert theirs.call("POST", "/Users", {"userName": f"mallory{scim.at}"}).status_code == 400
    spies = {"displayName": "spies", "members": [{"value": mine["id"]}]}
    assert theirs.call("POST", "/Groups", spies).status_code == 400
    for headers in (
        {},
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": "Bearer scim-x"},
        {"Authorization": "Basic eDp5"},
    ):
        for place in ("/Users", path, "/Groups", "/ServiceProviderConfig", "/ResourceTypes"):
            answer = httpx.get(f"{stage.url}/scim/v2{place}", headers=headers, trust_env=False)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert httpx.get(f"{stage.url}/v1/tenants", headers=scim.headers, trust_env=False).status_code == 401
    result = CliRunner().invoke(
        app,
        [
            "tenant",
            "scim-token",
            "delete",
            tenant,
            scim.token_id,
            "--url",
            stage.url,
            "--token",
            TOKEN,
            "--json",
        ],
    )
    assert result.exit_code == 0, result.output
    assert scim.call("GET", "/Users").status_code == 401
    shown = CliRunner().invoke(
        app, ["tenant", "scim-token", "list", tenant, "--url", stage.url, "--token", TOKEN, "--json"]
    )
    assert json.loads(shown.stdout) == []


def test_a_suspended_tenants_token_opens_nothing(stage: Stage, tenant: str, scim: Scim) -> None:
    assert scim.call("GET", "/ServiceProviderConfig").json()["patch"] == {"supported": True}
    stage.call("PATCH", f"/v1/tenants/{tenant}", {"suspended": True})
    assert scim.call("GET", "/Users").status_code == 401


def test_what_looks_like_somebody_else_is_refused_and_taken_when_the_operator_means_it(
    stage: Stage, scim: Scim
) -> None:
    made = scim.user("paypal")
    for path, body in (
        ("/Users", {"userName": f"paypa1{scim.at}"}),
        ("/Groups", {"displayName": "paypa1"}),
    ):
        answer = scim.call("POST", path, body)
        assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness"), answer.text
        assert "looks like paypal" in answer.json()["detail"]
    other = scim.user("other")
    renamed = scim.patch(
        f"/Users/{other['id']}", {"op": "replace", "path": "userName", "value": f"paypa1{scim.at}"}
    )
    assert renamed.status_code == 409
    # One's own name may look like one's own.
    mine = scim.patch(
        f"/Users/{made['id']}", {"op": "replace", "path": "userName", "value": f"paypa1{scim.at}"}
    )
    assert mine.json()["userName"] == f"paypa1{scim.at}"
    meant = {"address": f"0ther{scim.at}", "password": PASSWORD, "even_if_confusable": True}
    assert stage.call("POST", "/v1/accounts", meant).status_code == 201
    found = scim.call("GET", "/Users", filter=f'userName eq "0ther{scim.at}"').json()
    assert found["totalResults"] == 1


def test_members_that_are_added_at_once_are_all_there(scim: Scim) -> None:
    """Identity providers do not wait for one change before they send the next."""
    users = [scim.user(f"m{number}")["id"] for number in range(12)]
    group = scim.call("POST", "/Groups", {"displayName": "Crew"}).json()

    def add(user: str) -> int:
        operation = {"op": "add", "path": "members", "value": [{"value": user}]}
        return scim.patch(f"/Groups/{group['id']}", operation).status_code

    with ThreadPoolExecutor(len(users)) as at_once:
        assert set(at_once.map(add, users)) == {200}
    found = scim.call("GET", f"/Groups/{group['id']}").json()
    assert {each["value"] for each in found["members"]} == set(users)
    put = {"displayName": "Crew", "members": []}
    assert (
        scim.call("PUT", f"/Groups/{group['id']}", put, version=group["meta"]["version"]).status_code == 412
    )
    assert (
        scim.call("PUT", f"/Groups/{group['id']}", put, version=found["meta"]["version"]).status_code == 200
    )
