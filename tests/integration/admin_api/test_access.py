"""Who may enter, over REST and by the command: app passwords."""

import pytest

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
    assert other["scopes"] == ["smtp", "imap", "pop3", "sieve"]
    assert "already" in problem(stage.call("POST", path, {"name": "phone"}), 409)
    assert "past" in problem(
        stage.call("POST", path, {"name": "x", "expires_at": "2000-01-01T00:00:00Z"}), 422
    )
    problem(stage.call("POST", path, {"name": "x", "expires_at": "2999-01-01T00:00:00"}), 422)
    problem(stage.call("POST", path, {"name": "x", "scopes": ["jmap"]}), 422)
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
        ("a laptop", ["smtp", "imap", "pop3", "sieve"]),
        ("phone", ["imap"]),
    ]
    assert found[1]["expires_at"]
    assert "phone" in command(*of, "list", alice).stdout
    assert "already" in command(*of, "create", alice, "phone", code=REFUSED).stderr
    assert command(*of, "delete", alice, "phone").stdout == "app password phone deleted\n"
    assert command.json(*of, "delete", alice, made["app_password_id"]) == {"deleted": made["app_password_id"]}
    assert "no app password phone" in command(*of, "delete", alice, "phone", code=REFUSED).stderr
    assert command(*of, "list", alice).stdout == "The account has no app passwords.\n"
