"""Users' mail to addresses that their tenant writes to no more: refused at RCPT where the tenant wants that."""

import base64
from collections.abc import Mapping, Sequence

import pytest
from directoryclient.policies import TenantPolicy
from smtp_gateway.core.roles import Role

from tests.support.fake_gateway import converse

LOGIN = b"AUTH PLAIN " + base64.b64encode(b"\0smith@foo.com\0right") + b"\r\n"


class Chosen:
    """What the tenant chose, and its list."""

    def __init__(self, *, refuses: bool = True) -> None:
        self.policy = TenantPolicy(refuse_suppressed=refuses)
        self.asked: list[list[str]] = []

    async def of(self, tenant_id: str) -> TenantPolicy:
        return self.policy

    async def among(self, tenant_id: str, addresses: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(addresses))
        reason = "Suppressed: hard-bounce on 2026-11-21: 550 no\r\nsuch \u00fcser"
        return {each: reason for each in addresses if each.startswith("gone@")}


def replies(chosen: Chosen, *recipients: str, login: bytes = LOGIN, role: Role = Role.MSA) -> list[str]:
    """What RCPT was answered."""
    chunks = [b"EHLO me\r\n", login, b"MAIL FROM:<smith@foo.com>\r\n"]
    chunks += [f"RCPT TO:<{each}>\r\n".encode() for each in recipients]
    said, _, _ = converse(role, [*chunks, b"QUIT\r\n"], in_tls=True, policies=chosen, suppressed=chosen)
    lines = said.decode().split("\r\n")
    end = next(number for number, line in enumerate(lines) if line.startswith("221"))
    return lines[end - len(recipients) : end]


def test_who_is_suppressed_is_refused_and_the_reason_said_in_one_line() -> None:
    chosen = Chosen()
    ok, gone, ours = replies(chosen, "here@far.test", "gone@far.test", "jones@foo.com")
    assert ok.startswith("250")
    assert ours.startswith("250")
    assert gone == "550 5.7.1 Suppressed: hard-bounce on 2026-11-21: 550 no??such ?ser"
    assert [each for batch in chosen.asked for each in batch] == ["here@far.test", "gone@far.test"]


@pytest.mark.parametrize(
    ("refuses", "login", "role"), [(False, LOGIN, Role.MSA), (True, b"NOOP\r\n", Role.MX)]
)
def test_nobody_is_asked_where_the_tenant_does_not_want_it_or_a_stranger_sends(
    refuses: bool, login: bytes, role: Role
) -> None:
    chosen = Chosen(refuses=refuses)
    [reply] = replies(chosen, "gone@far.test", login=login, role=role)
    assert "Suppressed" not in reply
    assert chosen.asked == []
