"""What a tenant chooses, over REST and by the command."""

from .conftest import Stage
from .test_command import REFUSED, Command
from .test_rest import problem


def test_a_choice_over_rest(stage: Stage, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/policy"
    assert stage.call("GET", path).json() == {"dmarc": "default"}
    for dmarc in ("reject", "quarantine", "mark", "default"):
        assert stage.call("PUT", path, {"dmarc": dmarc}).json() == {"dmarc": dmarc}
        assert stage.call("GET", path).json() == {"dmarc": dmarc}
    stage.call("PUT", path, {"dmarc": "reject"})
    assert stage.call("PUT", path, {}).json() == {"dmarc": "default"}
    problem(stage.call("PUT", path, {"dmarc": "maybe"}), 422)
    problem(stage.call("PUT", path, {"dmrac": "mark"}), 422)
    assert "nobody" in problem(stage.call("GET", "/v1/tenants/nobody/policy"), 404)
    assert "nobody" in problem(stage.call("PUT", "/v1/tenants/nobody/policy", {}), 404)


def test_a_choice_by_the_command(stage: Stage, tenant: str) -> None:
    command = Command(stage.url)
    assert "reject" in command("tenant", "policy", "set", tenant, "--dmarc", "reject").stdout
    assert command.json("tenant", "policy", "show", tenant) == {"dmarc": "reject"}
    command("tenant", "policy", "set", tenant, "--dmarc", "maybe", code=REFUSED)
    assert "reject" in command("tenant", "policy", "show", tenant).stdout
