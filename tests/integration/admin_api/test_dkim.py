"""Keys that sign for domains, over REST and by the command."""

import re

from senderauth.dkim.keys import parse_key

from .conftest import Stage
from .test_command import REFUSED, Command
from .test_rest import problem


def test_a_keys_life_over_rest(stage: Stage, tenant: str) -> None:
    path = f"/v1/domains/{tenant}.example/dkim"
    assert stage.call("GET", path).json() == {"items": [], "next_page": ""}
    made = stage.call("POST", path, {"selector": "S1"})
    assert made.status_code == 201
    rsa, ed25519 = made.json()["items"]
    assert (rsa["selector"], rsa["algorithm"]) == ("s1-rsa", "rsa-sha256")
    assert (ed25519["selector"], ed25519["algorithm"]) == ("s1-ed25519", "ed25519-sha256")
    assert ed25519["record_name"] == f"s1-ed25519._domainkey.{tenant}.example"
    assert parse_key(rsa["record"]).bits == 2048
    strings = re.findall(r'"([^"]*)"', rsa["zone_line"])
    assert "".join(strings) == rsa["record"]
    assert max(map(len, strings)) == 255
    assert rsa["zone_line"].startswith(f"s1-rsa._domainkey.{tenant}.example. IN TXT ")
    assert "already" in problem(stage.call("POST", path, {"selector": "s1"}), 409)
    problem(stage.call("POST", path, {"algorithms": ["rsa-sha1"]}), 422)
    assert "selector" in problem(stage.call("POST", path, {"selector": "a b"}), 422)
    assert "nobody.example" in problem(stage.call("POST", "/v1/domains/nobody.example/dkim", {}), 404)
    assert stage.call("DELETE", f"{path}/s1-rsa").status_code == 204
    problem(stage.call("DELETE", f"{path}/s1-rsa"), 404)
    assert stage.call("GET", path).json()["items"] == [ed25519]
    text = made.text + stage.directory.log() + stage.admin.log()
    assert "PRIVATE" not in text


def test_a_keys_life_by_the_command(stage: Stage, tenant: str) -> None:
    command, domain = Command(stage.url), f"{tenant}.example"
    of = ("domain", "dkim")
    assert "unsigned" in command(*of, "list", domain).stdout
    line = command(*of, "create", domain, "--selector", "s1", "--algorithm", "ed25519-sha256").stdout
    assert line.startswith(f's1._domainkey.{domain}. IN TXT "v=DKIM1; k=ed25519; p=')
    pair = command.json(*of, "create", domain)
    assert [each["algorithm"] for each in pair] == ["rsa-sha256", "ed25519-sha256"]
    found = command.json(*of, "list", domain)
    assert {each["selector"] for each in found} == {"s1", *(each["selector"] for each in pair)}
    assert "s1" in command(*of, "list", domain).stdout
    command(*of, "delete", domain, "s1")
    assert "no key with the selector s1" in command(*of, "delete", domain, "s1", code=REFUSED).stderr
