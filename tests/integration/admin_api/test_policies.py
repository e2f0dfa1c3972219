"""What tenants and accounts choose, over REST and by the command."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.reader_keys import new_openpgp, new_x509

from .conftest import Stage
from .test_command import REFUSED, Command
from .test_rest import problem


def test_a_choice_over_rest(stage: Stage, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/policy"
    nothing = stage.call("GET", path).json()
    assert nothing["dmarc"] == "default"
    assert not any(value for name, value in nothing.items() if name != "dmarc")
    for dmarc in ("reject", "quarantine", "mark", "default"):
        assert stage.call("PUT", path, {"dmarc": dmarc}).json() == {**nothing, "dmarc": dmarc}
        assert stage.call("GET", path).json() == {**nothing, "dmarc": dmarc}
    stage.call("PUT", path, {"dmarc": "reject"})
    assert stage.call("PUT", path, {}).json() == nothing
    problem(stage.call("PUT", path, {"dmarc": "maybe"}), 422)
    problem(stage.call("PUT", path, {"dmrac": "mark"}), 422)
    assert "nobody" in problem(stage.call("GET", "/v1/tenants/nobody/policy"), 404)
    assert "nobody" in problem(stage.call("PUT", "/v1/tenants/nobody/policy", {}), 404)


def test_a_change_leaves_the_rest(stage: Stage, tenant: str) -> None:
    path = f"/v1/tenants/{tenant}/policy"
    stage.call(
        "PUT", path, {"greylisting": True, "junk_score": 5.5, "allowed_senders": ["a@b.test", "@c.test"]}
    )
    changed = stage.call("PATCH", path, {"dmarc": "mark", "junk_score": None}).json()
    assert (changed["greylisting"], changed["dmarc"], changed["junk_score"]) == (True, "mark", None)
    assert stage.call("PATCH", path, {"allowed_senders": []}).json()["allowed_senders"] == []
    # Zero is a score, and not the same as none.
    assert stage.call("PATCH", path, {"junk_score": 0}).json()["junk_score"] == 0
    assert stage.call("PATCH", path, {}).json()["junk_score"] == 0
    problem(stage.call("PATCH", path, {"blocked_senders": ["everybody"]}), 422)
    problem(stage.call("PATCH", path, {"account_quota_octets": -1}), 422)
    problem(stage.call("PATCH", path, {"scanner_down": "panic"}), 422)


def test_choices_by_the_command(stage: Stage, tenant: str, tmp_path: Path) -> None:
    command = Command(stage.url)
    assert "reject" in command("tenant", "policy", "set", tenant, "dmarc=reject", "greylisting=yes").stdout
    shown = command.json("tenant", "policy", "show", tenant)
    assert (shown["dmarc"], shown["greylisting"]) == ("reject", True)
    command("tenant", "policy", "set", tenant, "dmarc=maybe", code=REFUSED)
    assert "reject" in command("tenant", "policy", "show", tenant).stdout
    assert (
        "there is no field dmrac" in command("tenant", "policy", "set", tenant, "dmrac=mark", code=1).stderr
    )
    command("tenant", "policy", "set", tenant, "dmarc=", "greylisting=", "blocked_senders=a@b.test, @c.test")
    shown = command.json("tenant", "policy", "show", tenant)
    assert (shown["dmarc"], shown["greylisting"]) == ("default", False)
    assert shown["blocked_senders"] == ["a@b.test", "@c.test"]


def test_settings_of_an_account(stage: Stage, tenant: str, tmp_path: Path) -> None:
    domain = f"{tenant}.test"
    stage.call("POST", "/v1/domains", {"name": domain, "tenant": tenant})
    stage.call("POST", "/v1/accounts", {"address": f"carol@{domain}", "password": "a good password"})
    command = Command(stage.url)
    key = tmp_path / "key.asc"
    public, private = new_openpgp()
    key.write_text(public)
    command("account", "settings", "set", f"carol@{domain}", "quota_octets=1000000", f"encryption_key=@{key}")
    shown = command.json("account", "settings", "show", f"carol@{domain}")
    assert (shown["quota_octets"], shown["encryption_key"]) == (1_000_000, public)
    key.write_bytes(private)
    refused = command("account", "settings", "set", f"carol@{domain}", f"encryption_key=@{key}", code=REFUSED)
    assert "private key" in refused.stderr
    key.write_text(new_x509(key=ec.generate_private_key(ec.SECP256R1()))[0])
    refused = command("account", "settings", "set", f"carol@{domain}", f"encryption_key=@{key}", code=REFUSED)
    assert (
        "accepted are certificates with an RSA key of at least 2048 bits, and OpenPGP keys" in refused.stderr
    )
    assert command.json("account", "settings", "show", f"carol@{domain}")["encryption_key"] == public
    refused = command("account", "settings", "set", f"carol@{domain}", "locale=not a tag", code=REFUSED)
    assert "locale is a language tag" in refused.stderr
    path = f"/v1/accounts/carol@{domain}/settings"
    assert stage.call("PUT", path, {"mdn": "never"}).json()["quota_octets"] == 0
    problem(stage.call("PUT", path, {"mdn": "sometimes"}), 422)
    problem(stage.call("GET", f"/v1/accounts/nobody@{domain}/settings"), 404)
    stage.call("DELETE", f"/v1/accounts/carol@{domain}")
    problem(stage.call("GET", path), 404)


AWAY: dict[str, Any] = {
    "forward_to": ["Else@Peer.example"],
    "forward_without_copy": True,
    "vacation": True,
    "vacation_subject": "away",
    "vacation_text": "Two lines.\r\nAnd a\ttab.",
    "vacation_from": "2026-12-24T00:00:00+01:00",
    "vacation_until": "2027-01-02T00:00:00+01:00",
    "vacation_days": 3,
    "vacation_addresses": ["sales@peer.example"],
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"forward_to": ["no address"]},
        {"forward_to": ['"x y"@peer.example']},
        {"forward_to": [f"a{number}@peer.example" for number in range(5)]},
        {"forward_to": ["SELF"]},
        {"vacation": True, "vacation_text": " \n"},
        {"vacation_from": "tomorrow"},
        {"vacation_from": "2026-12-24T00:00:00"},
        {"vacation_until": "2026-12-23T23:00:00Z"},
        {"vacation_days": 91},
        {"vacation_text": "a\u0000b"},
        {"vacation_text": "x" * 10_001},
        {"vacation_subject": "two\r\nlines"},
        {"vacation_addresses": ["<script>"]},
    ],
)
def test_what_an_account_can_wish_of_its_mail(stage: Stage, tenant: str, wrong: dict[str, Any]) -> None:
    address = f"alice@{tenant}.example"
    stage.call("POST", "/v1/accounts", {"address": address, "password": "right password"})
    path = f"/v1/accounts/{address}/settings"
    set_ = stage.call("PUT", path, AWAY)
    assert set_.status_code == 200, set_.text
    assert {name: set_.json()[name] for name in AWAY} == AWAY
    bad = {name: [address.upper()] if value == ["SELF"] else value for name, value in wrong.items()}
    refused = stage.call("PATCH", path, bad)
    assert refused.status_code == 422, refused.text
    assert {name: stage.call("GET", path).json()[name] for name in AWAY} == AWAY


def test_forwarding_by_the_command(stage: Stage, tenant: str) -> None:
    address = f"alice@{tenant}.example"
    stage.call("POST", "/v1/accounts", {"address": address, "password": "right password"})
    command = Command(stage.url)
    of = ("account", "settings")
    chosen = command.json(*of, "set", address, "forward_to=a@peer.example,b@peer.example", "vacation=no")
    assert chosen["forward_to"] == ["a@peer.example", "b@peer.example"]
    assert "a@peer.example, b@peer.example" in command(*of, "show", address).stdout
    assert command.json(*of, "set", address, "forward_to=")["forward_to"] == []
