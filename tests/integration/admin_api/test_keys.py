"""Keys of tenants, over REST and by the command."""

from .conftest import Stage
from .test_command import REFUSED, Command
from .test_rest import problem


def test_a_keys_life_over_rest(stage: Stage, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/keys"
    assert stage.call("GET", path).json() == {"items": [], "next_page": ""}
    assert "encrypt_bodies" in problem(stage.call("POST", f"{path}/rotate"), 409)
    chosen = stage.call("PATCH", f"/v1/tenants/{tenant}/policy", {"encrypt_bodies": True})
    assert chosen.json()["encrypt_bodies"] is True
    for version in (1, 2):
        made = stage.call("POST", f"{path}/rotate")
        assert made.status_code == 201
        assert (made.json()["version"], made.json()["encrypts"]) == (version, True)
    newest, oldest = stage.call("GET", path).json()["items"]
    assert (newest["encrypts"], oldest["encrypts"], oldest["deleted_at"]) == (True, False, None)
    wrapping = stage.call("GET", "/v1/keys").json()
    assert newest["wrapped_with"] == wrapping["current"]
    assert [use["wrapped_with"] for use in wrapping["uses"]] == [wrapping["current"]]
    assert stage.call("POST", "/v1/keys/rewrap").json() == {"rewrapped": 0, "unopened": 0}
    assert "once more" in problem(stage.call("POST", f"{path}/delete", {"confirm_name": "another"}), 422)
    problem(stage.call("POST", f"{path}/delete", {}), 422)
    assert stage.call("POST", f"{path}/delete", {"confirm_name": tenant}).json() == {"deleted": 2}
    assert all(
        each["deleted_at"] and not each["wrapped_with"] for each in stage.call("GET", path).json()["items"]
    )
    problem(stage.call("GET", "/v1/tenants/nobody/keys"), 404)


def test_a_keys_life_by_the_command(stage: Stage, tenant: str) -> None:
    command = Command(stage.url)
    of = ("tenant", "key")
    assert "no keys" in command(*of, "list", tenant).stdout
    assert "encrypt_bodies" in command(*of, "rotate", tenant, code=REFUSED).stderr
    stage.call("PATCH", f"/v1/tenants/{tenant}/policy", {"encrypt_bodies": True})
    assert "key 1 of" in command(*of, "rotate", tenant).stdout
    assert command.json(*of, "rotate", tenant)["version"] == 2
    assert [each["version"] for each in command.json(*of, "list", tenant)] == [2, 1]
    assert "wraps now" in command("keys", "status").stdout
    assert command.json("keys", "rewrap") == {"rewrapped": 0, "unopened": 0}
    command(*of, "delete", tenant, given="something else\n", code=REFUSED)
    command(*of, "delete", tenant, "--confirm", "something else", code=REFUSED)
    assert "2 keys of" in command(*of, "delete", tenant, given=f"{tenant}\n").stdout
    assert command.json(*of, "delete", tenant, "--confirm", tenant) == {"deleted": 0}
