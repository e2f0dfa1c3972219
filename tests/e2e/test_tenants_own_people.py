"""People of a tenant at the admin API of a whole installation: services that know each other, and their own tenant's mail."""

from typing import Any
from uuid import uuid4

import httpx

from tests.e2e.test_four_scenarios import wait_for_subject
from tests.e2e.test_sieve import send
from tests.support.platform import Account, Platform


def ask(platform: Platform, who: Account, method: str, path: str, **more: Any) -> httpx.Response:
    url = f"http://127.0.0.1:{platform.ports.admin}{path}"
    return httpx.request(method, url, auth=(who.address, who.password), trust_env=False, timeout=30, **more)


def test_an_administrator_sees_mailboxes_scripts_and_the_quarantine_of_its_tenant(platform: Platform) -> None:
    root, user = platform.create_accounts(["tenants-root", "tenants-user"])
    assert ask(platform, root, "GET", "/v1/tenants").status_code == 403
    platform.choose(f"accounts/{root.address}", roles=["administrator"])
    assert [each["name"] for each in ask(platform, root, "GET", "/v1/tenants").json()["items"]] == ["demo"]
    send(platform, "x@peer.invalid", user.address, "for the count")
    wait_for_subject(platform, user.address, user.password, "for the count")
    found = ask(platform, root, "GET", "/v1/mailboxes", params={"account": user.address}).json()
    assert {each["name"]: each["messages"] for each in found}["INBOX"] == 1
    assert ask(platform, root, "GET", "/v1/quarantine/demo").status_code == 200
    scripts = "/v1/tenants/demo/scripts"
    put = ask(platform, root, "PUT", f"{scripts}/unused", json={"script": "keep;"})
    assert put.status_code == 200, put.text
    assert ask(platform, root, "DELETE", f"{scripts}/unused").status_code == 204
    # An id that the directory does not show is nobody's, whatever lies elsewhere under it.
    for path in (f"/v1/quarantine/{uuid4()}", f"/v1/tenants/{uuid4()}/scripts"):
        assert ask(platform, root, "GET", path).status_code == 404, path
    assert ask(platform, root, "GET", "/v1/queue/items").status_code == 403
    assert ask(platform, user, "GET", "/v1/mailboxes", params={"account": user.address}).status_code == 403


def test_somebody_goes_away_without_asking_anybody(platform: Platform) -> None:
    user, friend = platform.create_accounts(["self-served", "friend-of-self"])
    path = f"/v1/accounts/{user.address}/settings"
    away = {"vacation": True, "vacation_subject": "gone fishing", "vacation_text": "Back soon."}
    assert ask(platform, user, "PATCH", path, json=away).status_code == 200
    send(platform, friend.address, user.address, "are you in?")
    wait_for_subject(platform, friend.address, friend.password, "gone fishing")
