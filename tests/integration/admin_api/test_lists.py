"""Mailing lists over REST and by the command."""

import json
from pathlib import Path
from typing import Any

from posthouse.__main__ import app
from typer.testing import CliRunner

from .conftest import TOKEN, Stage


def posthouse(stage: Stage, *words: str) -> Any:
    result = CliRunner().invoke(app, ["list", *words, "--url", stage.url, "--token", TOKEN, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_list_and_its_members(stage: Stage, tenant: str, tmp_path: Path) -> None:
    domain = f"{tenant}.test"
    assert stage.call("POST", "/v1/domains", {"name": domain, "tenant": tenant}).status_code == 201
    news = f"news@{domain}"
    assert stage.call("POST", "/v1/lists", {"address": news, "owners": []}).status_code == 422
    made = posthouse(stage, "create", news, "--owner", "o@far.test", "--moderator", "m@far.test")
    assert (made["tenant"], made["posting"], made["members"]) == (tenant, "members", 0)
    assert stage.call("POST", "/v1/lists", {"address": news, "owners": ["o@far.test"]}).status_code == 409
    assert stage.call("PATCH", f"/v1/lists/{news}", {"posting": "nobody"}).status_code == 422
    changed = posthouse(
        stage, "set", news, "--posting", "anyone", "--reply-to", "list", "--no-moderators", "--name", "News"
    )
    assert (changed["posting"], changed["reply_to"], changed["moderators"]) == ("anyone", "list", [])
    assert posthouse(stage, "show", news) == changed
    assert posthouse(stage, "list", "--tenant", tenant) == [changed]
    assert (made["subscribing"], made["visible_to"], made["bounce_limit"]) == ("closed", "owners", 5)
    changed = posthouse(
        stage, "set", news, "--subscribing", "open", "--visible-to", "tenant", "--bounce-limit", "0",
        "--bounce-action", "remove",
    )  # fmt: skip
    chosen = [changed[each] for each in ("subscribing", "visible_to", "bounce_limit", "bounce_action")]
    assert chosen == ["open", "tenant", 0, "remove"]
    assert stage.call("PATCH", f"/v1/lists/{news}", {"bounce_limit": 101}).status_code == 422
    assert posthouse(stage, "suspended", news) == []
    file = tmp_path / "members"
    everybody = [f"m{number}@far.test" for number in range(1500)]
    file.write_text("# everybody\n\n" + "\n".join(everybody) + "\n")
    assert posthouse(stage, "import", news, str(file)) == {"changed": 1500}
    assert posthouse(stage, "import", news, str(file)) == {"changed": 0}
    assert posthouse(stage, "add", news, "M1@far.test", "new@far.test") == {"changed": 1}
    assert posthouse(stage, "remove", news, "m0@FAR.test", "nobody@far.test") == {"changed": 1}
    assert posthouse(stage, "members", news) == [*everybody[1:], "new@far.test"]
    assert posthouse(stage, "delete", news) == {"deleted": news}
    assert stage.call("GET", f"/v1/lists/{news}").status_code == 404
    assert stage.call("GET", f"/v1/lists/{news}/members").status_code == 404
