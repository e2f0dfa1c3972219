"""Who may enter, over REST and by the command: app passwords, limits of failed logins."""

from datetime import UTC, datetime, timedelta

import grpc
import httpx
import pytest
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.directory_pb2_grpc import DirectoryServiceStub

from .conftest import PASSWORD, Stage
from .test_command import REFUSED, Command
from .test_rest import problem


@pytest.fixture
def alice(stage: Stage, tenant: str) -> str:
    address = f"alice@{tenant}.example"
    assert stage.call("POST", "/v1/accounts", {"address": address, "password": PASSWORD}).status_code == 201
    return address


def test_an_app_passwords_life_over_rest(stage: Stage, alice: str) -> None:
    path = f"/v1/accounts/{alice}/app-passwords"
    assert stage.call("GET", path).json() == {"items": [], "next_page": ""}
    made = stage.call("POST", path, {"name": "phone", "scopes": ["imap", "smtp"]})
    assert made.status_code == 201
    password = made.json().pop("password")
    shown = {key: value for key, value in made.json().items() if key != "password"}
    assert (shown["name"], shown["scopes"], shown["expires_at"]) == ("phone", ["smtp", "imap"], None)
    assert stage.call("GET", path).json()["items"] == [shown]
    assert password not in stage.call("GET", path).text
    other = stage.call("POST", path, {"name": "laptop", "expires_at": "2999-01-01T00:00:00+02:00"}).json()
    assert other["expires_at"] == "2998-12-31T22:00:00Z"
    assert other["scopes"] == ["smtp", "imap", "pop3", "sieve", "jmap"]
    assert "already" in problem(stage.call("POST", path, {"name": "phone"}), 409)
    assert "past" in problem(
        stage.call("POST", path, {"name": "x", "expires_at": "2000-01-01T00:00:00Z"}), 422
    )
    problem(stage.call("POST", path, {"name": "x", "expires_at": "2999-01-01T00:00:00"}), 422)
    problem(stage.call("POST", path, {"name": "x", "scopes": ["telnet"]}), 422)
    assert "nobody" in problem(stage.call("POST", path.replace("alice", "nobody"), {"name": "x"}), 404)
    deleted = stage.call("DELETE", f"{path}/{shown['app_password_id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "no app password" in problem(stage.call("DELETE", f"{path}/{shown['app_password_id']}"), 404)
    assert [each["name"] for each in stage.call("GET", path).json()["items"]] == ["laptop"]
    assert password not in stage.directory.log() + stage.admin.log()


def test_an_app_passwords_life_by_the_command(stage: Stage, alice: str) -> None:
    command = Command(stage.url)
    of = ("account", "app-password")
    password = command(*of, "create", alice, "phone", "--scope", "imap", "--days", "30").stdout
    assert password.count("-") == 5
    made = command.json(*of, "create", alice, "a laptop")
    assert (made["name"], made["expires_at"]) == ("a laptop", None)
    found = command.json(*of, "list", alice)
    assert [(each["name"], each["scopes"]) for each in found] == [
        ("a laptop", ["smtp", "imap", "pop3", "sieve", "jmap"]),
        ("phone", ["imap"]),
    ]
    assert found[1]["expires_at"]
    assert "phone" in command(*of, "list", alice).stdout
    assert "already" in command(*of, "create", alice, "phone", code=REFUSED).stderr
    assert command(*of, "delete", alice, "phone").stdout == "app password phone deleted\n"
    assert command.json(*of, "delete", alice, made["app_password_id"]) == {"deleted": made["app_password_id"]}
    assert "no app password phone" in command(*of, "delete", alice, "phone", code=REFUSED).stderr
    assert command(*of, "list", alice).stdout == "The account has no app passwords.\n"


def fail_to_log_in(stage: Stage, login: str, client_address: str, times: int) -> None:
    """As a door would ask."""
    with grpc.insecure_channel(stage.directory_target) as channel:
        ask = DirectoryServiceStub(channel)
        for number in range(times):
            request = wire.AuthenticateRequest(
                login=login, password=f"guess {number}", door="imap", client_address=client_address
            )
            assert ask.Authenticate(request).verdict == wire.VERDICT_DENIED


def test_limits_are_seen_and_lifted(stage: Stage, alice: str) -> None:
    command = Command(stage.url)
    fail_to_log_in(stage, alice, "198.51.100.7", 6)
    fail_to_log_in(stage, alice, "198.51.100.8", 1)
    found = stage.call("GET", "/v1/login-limits", account=alice, client_address="198.51.100.7").json()[
        "items"
    ]
    assert [(each["account"], each["prefix"], each["failures"]) for each in found] == [
        (alice, "198.51.100.7/32", 6)
    ]
    # Two seconds long.
    failed_at = datetime.fromisoformat(found[0]["failed_at"])
    is_over = datetime.now(UTC) - failed_at > timedelta(seconds=2)
    assert is_over or datetime.fromisoformat(found[0]["blocked_until"]) > failed_at
    [said] = command.json("login", "limits", "--account", alice, "--from", "198.51.100.7")
    assert said | {"blocked_until": None} == found[0] | {"blocked_until": None}
    assert "198.51.100.8/32" in command("login", "limits").stdout
    assert command.json("login", "lift", "--account", alice, "--from", "198.51.100.7") == {"lifted": 1}
    assert command("login", "lift", "--account", alice).stdout == "1 lifted\n"
    assert command("login", "limits", "--account", alice).stdout == "No failed login counts now.\n"
    assert stage.call("DELETE", "/v1/login-limits", client_address="198.51.100.7").json() == {"lifted": 1}
    assert "name an account" in command("login", "lift", code=REFUSED).stderr
    assert "not an address" in problem(stage.call("GET", "/v1/login-limits", client_address="x"), 422)
    assert "nobody" in problem(stage.call("GET", "/v1/login-limits", account=f"nobody{alice}"), 404)


def test_the_sign_in_log(stage: Stage, alice: str) -> None:
    command = Command(stage.url)
    assert command("login", "log", alice).stdout == "Nobody came in or tried.\n"
    fail_to_log_in(stage, alice, "198.51.100.9", 3)
    path = f"/v1/accounts/{alice}/sign-ins"
    stage.until(lambda: sum(each["times"] for each in stage.call("GET", path).json()["items"]) == 3)
    found = command.json("login", "log", alice)
    assert {(each["service"], each["address"], each["outcome"]) for each in found} == {
        ("imap", "198.51.100.9", "denied")
    }
    assert "198.51.100.9" in command("login", "log", alice, "--most", "1").stdout
    assert "there is no account" in command("login", "log", f"nobody{alice}", code=REFUSED).stderr


def test_nobody_chooses_under_which_address_it_is_seen(stage: Stage, alice: str) -> None:
    said = {"X-Forwarded-For": "203.0.113.5", "Forwarded": "for=203.0.113.5"}
    for path, given in (("/login", {"login": alice, "password": "wrong"}), ("/v1/whoami", None)):
        answer = httpx.request(
            "POST" if given else "GET",
            stage.url + path,
            json=given,
            auth=(alice, "also wrong") if given is None else None,
            headers=said,
            trust_env=False,
            timeout=20,
        )
        assert answer.status_code == 401, answer.text
    path = f"/v1/accounts/{alice}/sign-ins"
    stage.until(lambda: len(stage.call("GET", path).json()["items"]) == 2)
    found = stage.call("GET", path).json()["items"]
    assert {(each["service"], each["address"]) for each in found} == {
        ("web", "127.0.0.1"),
        ("admin", "127.0.0.1"),
    }
