"""Outgoing limits: layered, a tenant's own, over processes and restarts; and what becomes of who goes beyond them again
and again.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from directoryclient import Identity, Unavailable
from directoryclient.policies import TenantPolicy
from mailmodel import AccountRef
from smtp_gateway.core import senders
from smtp_gateway.core.limits import Limited, Limits, Rate
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.offences import Rules
from smtp_gateway.core.roles import Role
from smtp_gateway.core.senders import SuspendedBy, Suspension
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.remembering import Remembering
from smtp_gateway.edge.screens import Screens
from smtp_gateway.edge.sharing import Sharing
from smtp_gateway.edge.suspending import Suspending

from tests.support.fake_gateway import TENANT, FakeLedger, converse, settings

HELLO = b"EHLO c.test\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
BROWN = b"AUTH PLAIN AGJyb3duQGZvby5jb20AcmlnaHQ=\r\n"
OVER = b"451 4.7.1"
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def mail(whose: str = "jones") -> bytes:
    return f"MAIL FROM:<{whose}@foo.com>\r\n".encode()


class Chosen:
    """Tenants' policies."""

    def __init__(self, policy: TenantPolicy | None = None) -> None:
        self.policy = policy

    async def of(self, tenant_id: str) -> TenantPolicy:
        if self.policy is None:
            raise Unavailable("away")
        return self.policy


class World:
    def __init__(self, **values: Any) -> None:
        self.values = values
        self.now = 100_000.0
        self.ledger, self.use = FakeLedger(), FakeLedger()
        self.told: list[tuple[str, bytes]] = []
        self.processes: list[tuple[Controls, Screens]] = []

    def process(self) -> tuple[Controls, Screens]:
        controls = Controls.of(settings(**self.values))
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        remembering = Remembering(controls.limits, self.use, clock, lambda: self.now + 1e9)
        suspending = Suspending(
            controls.limits,
            self.ledger,
            lambda *told: self.told.append(told),
            lambda: AT,
            remembering.resumed,
        )
        self.ledger.followers.append(suspending.heard)
        for entry, value in self.use.kept.items():
            remembering.restore(entry, value)
        banning = Banning(controls.limits, Rules(0, 1, 1, 1), Networks(()), FakeLedger(), FakeLedger())
        made = (
            controls,
            Screens(
                banning=banning,
                exempt=Networks(("0.0.0.0/0", "::/0")),
                suspending=suspending,
                remembering=remembering,
            ),
        )
        self.processes.append(made)
        return made

    def say(
        self, process: tuple[Controls, Screens], *chunks: bytes, policies: Chosen | None = None
    ) -> list[bytes]:
        """The answers behind those to EHLO."""
        said, _, _ = converse(
            Role.MSA,
            [HELLO, *chunks],
            controls=process[0],
            screens=process[1],
            policies=policies,
            clock=lambda: self.now,
            **self.values,
        )
        lines = said.splitlines()
        return lines[[line[:4] for line in lines].index(b"250 ") + 1 :]


def codes(answers: list[bytes]) -> list[bytes]:
    return [answer[:9] if answer.startswith(b"4") else answer[:3] for answer in answers]


@pytest.mark.parametrize(
    ("setting", "more"),
    [
        ("account_messages_per_hour", (mail(), b"RSET\r\n")),
        ("account_messages_per_day", (mail(), b"RSET\r\n")),
        ("tenant_messages_per_hour", (mail(), b"RSET\r\n")),
        ("tenant_messages_per_day", (mail(), b"RSET\r\n")),
    ],
)
def test_each_layer_of_messages_holds(setting: str, more: tuple[bytes, ...]) -> None:
    world = World(**{setting: 2})
    here = world.process()
    assert codes(world.say(here, LOGIN, *more * 2, mail())) == [b"235", b"250", b"250", b"250", b"250", OVER]
    of_another = world.say(here, BROWN, mail("brown"))[-1]
    assert of_another.startswith(OVER if setting.startswith("tenant") else b"250")
    world.now += 3601
    assert world.say(here, LOGIN, mail())[-1].startswith(OVER if setting.endswith("day") else b"250")


@pytest.mark.parametrize(
    "setting",
    [
        "account_recipients_per_hour",
        "account_recipients_per_day",
        "tenant_recipients_per_hour",
        "tenant_recipients_per_day",
    ],
)
def test_each_layer_of_recipients_holds(setting: str) -> None:
    world = World(**{setting: 2})
    recipients = [f"RCPT TO:<r{number}@far.test>\r\n".encode() for number in range(3)]
    answers = world.say(world.process(), LOGIN, mail(), *recipients)
    assert codes(answers) == [b"235", b"250", b"250", b"250", OVER]


def test_what_a_tenant_chose_holds_in_the_place_of_the_installations() -> None:
    world = World(account_messages_per_hour=1)
    here = world.process()
    chosen = Chosen(TenantPolicy(max_account_messages_per_hour=3, max_tenant_messages_per_day=4))
    answers = world.say(here, LOGIN, *(mail(), b"RSET\r\n") * 3, mail(), policies=chosen)
    assert codes(answers)[1::2] == [b"250", b"250", b"250", OVER]
    # The change of a choice holds at once, for what was used too.
    chosen.policy = TenantPolicy(max_account_messages_per_hour=100, max_tenant_messages_per_day=4)
    assert codes(world.say(here, LOGIN, mail(), b"RSET\r\n", mail(), policies=chosen))[1:] == [
        *(b"250", b"250", OVER)
    ]
    assert codes(world.say(here, LOGIN, mail(), policies=Chosen()))[1] == b"451 4.3.0"


def test_what_was_used_under_a_choice_counts_the_same_in_another_process() -> None:
    world = World(account_messages_per_hour=1000)
    here, there = world.process(), world.process()
    told: list[bytes] = []
    one, two = (
        Sharing(each[0].limits, lambda _subject, payload: told.append(payload), lambda: world.now)
        for each in (here, there)
    )
    chosen = Chosen(TenantPolicy(max_account_messages_per_hour=3))
    world.say(here, LOGIN, *(mail(), b"RSET\r\n") * 3, policies=chosen)
    one.tell()
    for payload in told:
        two.heard("limits.spent", payload)
    assert codes(world.say(there, LOGIN, mail(), policies=chosen))[1] == OVER
    # A process of the version before reads what nobody chose something for.
    old = [[len(entry) for entry in json.loads(payload)[1]] for payload in told]
    assert all(set(lengths) in ({3}, {4}) for lengths in old)


def test_a_days_use_outlives_all_processes() -> None:
    world = World(account_messages_per_day=4)
    here = world.process()
    world.say(here, LOGIN, *(mail(), b"RSET\r\n") * 3)
    assert here[1].remembering is not None
    asyncio.run(here[1].remembering.write())
    world.now += 60
    later = world.process()
    assert codes(world.say(later, LOGIN, mail(), b"RSET\r\n", mail()))[1:] == [b"250", b"250", OVER]
    # What cannot be written is kept for the next time.
    world.use.away = True
    assert later[1].remembering is not None
    asyncio.run(later[1].remembering.write())
    world.use.away = False
    asyncio.run(later[1].remembering.write())
    assert codes(world.say(world.process(), LOGIN, mail()))[1] == OVER


@pytest.mark.parametrize("value", [b"", b"x", b"null", b"[1]", b"[" * 5000, b"[1e400, 1, 1]", b'["a", 1, 1]'])
def test_an_entry_of_a_days_use_that_is_none_changes_nothing(value: bytes) -> None:
    limits = Limits({limited: Rate(1, 60.0) for limited in Limited})
    remembering = Remembering(limits, FakeLedger(), lambda: 0.0, lambda: 0.0)
    remembering.restore("account_messages x", value)
    remembering.restore("no_limit x", b"1e9")
    assert limits.refusing([(Limited.ACCOUNT_MESSAGES, "x")], 1, 0.0) is None


def test_an_account_that_goes_beyond_its_limits_again_and_again_may_not_send_until_it_is_resumed() -> None:
    world = World(account_messages_per_hour=1, account_overruns_per_day=2)
    here, there = world.process(), world.process()
    # However often within a minute.
    assert codes(world.say(here, LOGIN, mail(), *[b"RSET\r\n", mail()] * 8))[-1] == OVER
    for _ in range(2):
        world.now += 61
        assert not world.told
        assert codes(world.say(here, LOGIN, mail()))[1] == OVER
    for process in (here, there):
        [_, answer] = world.say(process, LOGIN, mail())
        assert answer == b"550 5.7.1 Sending is suspended for your account; ask your postmaster"
    # Another account of the tenant goes on, and who watches is told once.
    assert codes(world.say(here, BROWN, mail("brown")))[1] == b"250"
    [(subject, payload)] = world.told
    assert subject == "sending.suspended"
    told = senders.decode(payload)
    assert (told.account_id, told.address, told.tenant_id, told.by) == (
        *("id-jones@foo.com", "jones@foo.com", TENANT),
        SuspendedBy.LIMITS,
    )
    suspending = there[1].suspending
    assert suspending is not None
    assert not asyncio.run(suspending.resume("smith@foo.com"))
    assert asyncio.run(suspending.resume("Jones@FOO.com"))
    world.now += 3600
    # What was held against it is forgotten with it.
    for _ in range(2):
        world.now += 61
        world.say(here, LOGIN, mail(), b"RSET\r\n", mail())
    assert codes(world.say(here, LOGIN, mail()))[1] != b"550"


def test_who_was_resumed_is_not_suspended_by_the_next_process_for_what_was_before() -> None:
    world = World(account_messages_per_hour=1, account_overruns_per_day=2)
    here = world.process()
    for _ in range(4):
        world.say(here, LOGIN, mail(), b"RSET\r\n", mail())
        world.now += 61
    suspending, remembering = here[1].suspending, here[1].remembering
    assert suspending is not None
    assert remembering is not None
    assert suspending.listing()
    asyncio.run(remembering.write())
    assert "account_overruns id-jones@foo.com" in world.use.kept
    assert asyncio.run(suspending.resume("jones@foo.com"))
    # It is written down when NATS is there again.
    world.use.away = True
    asyncio.run(remembering.write())
    world.use.away = False
    asyncio.run(remembering.write())
    later = world.process()
    world.say(later, LOGIN, mail(), b"RSET\r\n", mail())
    assert later[1].suspending is not None
    assert later[1].suspending.listing() == []


def test_a_limit_of_the_whole_tenant_is_not_held_against_one_account() -> None:
    world = World(tenant_messages_per_hour=1, account_overruns_per_day=1)
    here = world.process()
    for _ in range(5):
        world.now += 61
        world.say(here, LOGIN, mail(), b"RSET\r\n", mail())
    assert not world.told


def test_an_operators_suspension_holds_everywhere_at_once() -> None:
    world = World()
    here, there = world.process(), world.process()
    suspending = here[1].suspending
    assert suspending is not None
    asyncio.run(suspending.suspend("id-jones@foo.com", "jones@foo.com", TENANT, "stolen password"))
    assert codes(world.say(there, LOGIN, mail()))[1] == b"550"
    assert there[1].suspending is not None
    [seen] = there[1].suspending.listing()
    assert seen == Suspension(
        "id-jones@foo.com", "jones@foo.com", TENANT, SuspendedBy.OPERATOR, "stolen password", AT
    )


def test_a_suspension_holds_here_while_nats_is_away() -> None:
    world = World(account_messages_per_hour=1, account_overruns_per_day=1)
    here = world.process()
    world.ledger.away = True
    for _ in range(3):
        world.now += 61
        world.say(here, LOGIN, mail(), b"RSET\r\n", mail())
    assert codes(world.say(here, LOGIN, mail()))[1] == b"550"


@pytest.mark.parametrize("value", [b"x", b"[]", b"{}", b'{"by": "nobody"}', b"[" * 5000])
def test_an_entry_that_is_none_suspends_nobody(value: bytes) -> None:
    with pytest.raises(ValueError):
        senders.decode(value)
    limits = Limits({limited: Rate(1, 60.0) for limited in Limited})
    suspending = Suspending(limits, FakeLedger(), lambda *_told: None)
    suspending.heard("id-jones@foo.com", value)
    who = Identity(AccountRef(TENANT, "id-jones@foo.com"), "jones@foo.com", "default")
    assert suspending.refusal(who) is None
