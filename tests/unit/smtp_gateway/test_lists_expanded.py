"""EXPN of mailing lists: whoever may see the members sees them; others hear what they hear of any address."""

import base64

import pytest
from directoryclient import Unavailable
from mailproto.smtp.reply import Reply
from smtp_gateway.core.roles import Role
from smtp_gateway.ports import Members

from tests.support.fake_gateway import converse

LOGIN = b"AUTH PLAIN " + base64.b64encode(b"\0smith@foo.com\0right") + b"\r\n"


class Lists:
    """sales@foo.com is one."""

    def __init__(self, members: Members | Exception) -> None:
        self.members_ = members
        self.asked: list[tuple[str, str]] = []

    async def members(self, address: str, account_id: str) -> Members | None:
        self.asked.append((address, account_id))
        if isinstance(self.members_, Exception):
            raise self.members_
        return self.members_ if address == "sales@foo.com" else None


def said(lists: Lists, address: str = "sales@foo.com", login: bytes = LOGIN) -> list[str]:
    """The answer to EXPN."""
    commands = [b"EHLO me\r\n", login, f"EXPN {address}\r\n".encode(), b"QUIT\r\n"]
    text, _, _ = converse(Role.MSA, commands, in_tls=True, expansions=lists)
    lines = text.decode().split("\r\n")
    end = next(number for number, line in enumerate(lines) if line.startswith("221"))
    begin = end - 1
    while lines[begin - 1][3:4] == "-" and lines[begin - 1][:3] == lines[begin][:3]:
        begin -= 1
    return lines[begin:end]


def test_who_may_see_the_members_sees_them() -> None:
    lists = Lists(Members(True, 2, ("ann@far.test", "bob@far.test")))
    assert said(lists) == ["250-2.1.5 <ann@far.test>", "250 2.1.5 <bob@far.test>"]
    assert lists.asked == [("sales@foo.com", "id-smith@foo.com")]
    assert said(lists, "brown@foo.com") == ["250 2.1.5 <brown@foo.com>"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        (Members(False), "252 2.5.0"),
        (Members(True, 5000, ("ann@far.test",)), "252 2.5.0"),
        (Members(True), "252 2.5.0"),
        (Unavailable("away"), "451"),
    ],
)
def test_others_learn_nothing(members: Members | Exception, code: str) -> None:
    [line] = said(Lists(members))
    assert line.startswith(code)
    assert "far.test" not in line


def test_a_stranger_is_not_asked_about() -> None:
    lists = Lists(Members(True, 1, ("ann@far.test",)))
    [line] = said(lists, login=b"NOOP\r\n")
    assert Reply.of(252, "", "").code == int(line[:3])
    assert lists.asked == []
