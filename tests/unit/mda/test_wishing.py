"""Who wishes something, asked as seldom as may be; and addresses that lead nowhere."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from directoryclient import Disposition, Resolution, Target, Unavailable
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef
from mda.core.wishes import NOTHING_SAID, Wishes
from mda.edge.running import Input, Running
from mda.edge.wishing import Wishing
from sieve import Situation
from sieve.actions import Keep, Redirect

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEADER = b"From: bob@b.test\r\nTo: alice@a.test\r\n\r\n"
AWAY = AccountSettings(vacation=True, vacation_text="away")


@dataclass
class Settings:
    known: dict[str, AccountSettings] = field(default_factory=dict)
    answers: dict[str, AccountSettings] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def remembered_of_account(self, account_id: str) -> AccountSettings | None:
        return self.known.get(account_id)

    async def of_account(self, account_id: str) -> AccountSettings:
        self.asked.append(account_id)
        if account_id not in self.answers:
            raise Unavailable("away")
        return self.answers[account_id]


class Directory:
    """Knows one@c.test; d.test is somebody else's; nobody else is here."""

    async def resolve(self, addresses: list[str]) -> list[Resolution]:
        return [self._one(each) for each in addresses]

    def _one(self, address: str) -> Resolution:
        if address.endswith("@d.test"):
            return Resolution(Disposition.REMOTE, (), "")
        if address == "one@c.test":
            return Resolution(Disposition.DELIVER, (Target(address, "1", "t"),), "t")
        return Resolution(Disposition.UNKNOWN, (), "t")


def wishing(settings: Settings) -> Wishing:
    return Wishing(
        settings, Running(cast(Any, None), cast(Any, None), cast(Any, None)), cast(Any, Directory())
    )


def account(name: str) -> AccountRef:
    return AccountRef("t", name)


async def test_only_who_is_not_remembered_is_asked_for_and_who_cannot_be_is_asked_for_again() -> None:
    settings = Settings(
        known={"idle": AccountSettings(), "away": AWAY},
        answers={"new": AccountSettings(forward_to=("one@c.test",)), "plain": AccountSettings()},
    )
    names = ("idle", "away", "new", "plain", "unclear")
    found = await wishing(settings).may_be([account(each) for each in names], NOW)
    assert [each.account_id for each in found] == ["away", "new", "unclear"]
    assert settings.asked == ["new", "plain", "unclear"]
    with pytest.raises(Unavailable):
        await wishing(settings).of(account("unclear"), NOW)


async def body() -> bytes:
    raise AssertionError("nobody looks into the body")


@pytest.mark.parametrize(
    ("addresses", "reached"),
    [
        (("one@c.test", "gone@c.test", "x@d.test"), ["one@c.test", "x@d.test"]),
        (("gone@c.test",), []),
    ],
)
async def test_what_leads_nowhere_is_left_out(addresses: tuple[str, ...], reached: list[str]) -> None:
    script = 'require "copy";' + "".join(f'redirect :copy "{each}";' for each in addresses)
    situation = Situation(
        reverse_path="bob@b.test",
        forward_path="alice@a.test",
        own_addresses=frozenset({"alice@a.test"}),
        now=NOW,
        environment={},
    )
    found = await wishing(Settings()).added(
        account("1"),
        Wishes(script.encode(), keeps_copy=False),
        NOTHING_SAID,
        Input(HEADER, len(HEADER), body),
        situation,
    )
    assert [each.address for each in found.actions if isinstance(each, Redirect)] == reached
    assert any(isinstance(each, Keep) for each in found.actions) is not bool(reached)
