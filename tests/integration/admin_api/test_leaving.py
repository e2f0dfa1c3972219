"""Leaving a mailing list with one click (RFC 8058): no token of the operator's, and nothing that looking does."""

import base64
from collections.abc import Iterator
from uuid import UUID

import grpc
import httpx
import pytest
from mailwire.directory.v1 import lists_pb2 as lists
from mailwire.directory.v1 import membership_pb2 as membership
from mailwire.directory.v1.lists_pb2_grpc import DirectoryListServiceStub
from mailwire.directory.v1.membership_pb2_grpc import DirectoryMembershipServiceStub

from .conftest import Stage

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def world(stage: Stage) -> Iterator[httpx.Client]:
    """Somebody who has no token."""
    with httpx.Client(base_url=stage.url, timeout=10) as client:
        yield client


def furnished(stage: Stage, tenant: str, name: str = "") -> tuple[str, dict[str, str]]:
    """A list, and its members' paths."""
    domain = f"{tenant}.test"
    assert stage.call("POST", "/v1/domains", {"name": domain, "tenant": tenant}).status_code == 201
    news = f"news@{domain}"
    body = {"address": news, "owners": ["o@far.test"], "name": name, "bounce_limit": 1}
    made = stage.call("POST", "/v1/lists", body).json()
    everybody = {"addresses": ["ann@far.test", "bob@far.test"]}
    assert stage.call("POST", f"/v1/lists/{news}/members", everybody).status_code == 200
    tenant_id = stage.call("GET", f"/v1/tenants/{tenant}").json()["tenant_id"]
    with grpc.insecure_channel(stage.directory_target) as channel:
        answer = DirectoryListServiceStub(channel).GetMemberPage(
            lists.GetMemberPageRequest(tenant_id=tenant_id, list_id=made["list_id"])
        )
        prefix = base64.b32encode(UUID(made["list_id"]).bytes).decode().rstrip("=").lower()
    return news, {
        address: f"/unsubscribe/{prefix}{token}"
        for address, token in zip(answer.addresses, answer.tokens, strict=True)
    }


def members(stage: Stage, news: str) -> list[str]:
    return [str(each) for each in stage.call("GET", f"/v1/lists/{news}/members").json()["items"]]


def test_looking_changes_nothing_and_one_click_does(stage: Stage, world: httpx.Client, tenant: str) -> None:
    news, paths = furnished(stage, tenant, "<b>The & news</b>")
    page = world.get(paths["ann@far.test"])
    assert page.status_code == 200
    assert "&lt;b&gt;The &amp; news&lt;/b&gt;" in page.text
    assert "ann@far.test" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert world.head(paths["ann@far.test"]).status_code == 405
    for wrong in ({}, {"List-Unsubscribe": "no"}, {"x": "One-Click"}):
        assert world.post(paths["ann@far.test"], data=wrong).status_code == 400
    assert (
        world.post(paths["ann@far.test"], content=b"List-Unsubscribe=One-Click" + b"&a" * 5000).status_code
        == 400
    )
    assert members(stage, news) == ["ann@far.test", "bob@far.test"]
    done = world.post(paths["ann@far.test"], data=ONE_CLICK)
    assert done.status_code == 200
    assert "set-cookie" not in done.headers
    assert members(stage, news) == ["bob@far.test"]
    # The other form of RFC 8058 §3.1.
    assert (
        world.post(paths["bob@far.test"], files={"List-Unsubscribe": (None, "One-Click")}).status_code == 200
    )
    assert members(stage, news) == []
    assert world.post(paths["ann@far.test"], data=ONE_CLICK).status_code == 404
    assert world.get(paths["ann@far.test"]).status_code == 404


def test_no_token_can_be_made_up(stage: Stage, world: httpx.Client, tenant: str) -> None:
    news, paths = furnished(stage, tenant)
    ann, bob = paths["ann@far.test"], paths["bob@far.test"]
    made_up = [
        ann[:-24] + bob[-24:-16] + ann[-16:],
        ann[:-1],
        ann + "a",
        "/unsubscribe/" + "a" * 50,
        "/unsubscribe/%00",
    ]
    for path in made_up:
        assert world.get(path).status_code in (404, 422)
        assert world.post(path, data=ONE_CLICK).status_code in (404, 422)
    assert members(stage, news) == ["ann@far.test", "bob@far.test"]


def test_who_is_suspended_is_shown_and_added_again(stage: Stage, tenant: str) -> None:
    news, paths = furnished(stage, tenant)
    made = stage.call("GET", f"/v1/lists/{news}").json()
    tenant_id = stage.call("GET", f"/v1/tenants/{tenant}").json()["tenant_id"]
    with grpc.insecure_channel(stage.directory_target) as channel:
        answer = DirectoryMembershipServiceStub(channel).RecordBounce(
            membership.RecordBounceRequest(
                tenant_id=tenant_id,
                list_id=made["list_id"],
                token=paths["ann@far.test"][-24:],
                reply="550 5.1.1 nobody",
            )
        )
    assert answer.suspended
    [shown] = stage.call("GET", f"/v1/lists/{news}/suspended").json()["items"]
    assert shown == {"address": "ann@far.test", "bounce_days": 1, "last_bounce": "550 5.1.1 nobody"}
    again = stage.call("POST", f"/v1/lists/{news}/members", {"addresses": ["ann@far.test"]})
    assert again.json() == {"changed": 1}
    assert stage.call("GET", f"/v1/lists/{news}/suspended").json()["items"] == []
