"""Content judged before 250: for whom, by whose wish, and what is said while nobody can judge."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from directoryclient.policies import TenantPolicy
from mailproto.smtp.body import BodyType
from mailproto.smtp.dsn_request import MESSAGE_DEFAULT
from mailproto.smtp.reply import Charset, Reply
from smtp_gateway.core.roles import Transaction
from smtp_gateway.edge import scanning
from smtp_gateway.edge.judging import Judged
from smtp_gateway.edge.scanning import LATER, UNWANTED, scan
from smtp_gateway.ports import Asked, Judgement, JudgeUnavailable
from spool import Recipient

WANTS = TenantPolicy(scan_before_accepting=True)
MARKED = TenantPolicy(scan_before_accepting=True, scanner_down="deliver_marked")
ACCEPT, REFUSE, INFECTED, RETRY = Judgement


class World:
    """Tenants' choices, and a judge."""

    def __init__(self, **tenants: tuple[TenantPolicy, Judgement | None]) -> None:
        self._tenants = tenants
        self.asked: list[Asked] = []

    async def of(self, tenant_id: str) -> TenantPolicy:
        return self._tenants[tenant_id][0]

    async def judge(self, asked: Asked, content: bytes) -> Judgement:
        assert content == b"the message"
        self.asked.append(asked)
        judgement = self._tenants[asked.tenant_id][1]
        if judgement is None:
            raise JudgeUnavailable("away")
        return judgement

    def scan(self, *recipients: tuple[str, str | None]) -> Reply | None:
        transaction = Transaction("eve@peer.invalid", BodyType.SEVEN_BIT, Charset.ASCII, 10, MESSAGE_DEFAULT)
        for number, (tenant_id, account_id) in enumerate(recipients):
            address = f"r{number}@{tenant_id}.test"
            transaction.recipients[address, account_id] = Recipient(address, address, tenant_id, account_id)
        needs = SimpleNamespace(judge=self, policies=self)
        visit = SimpleNamespace(
            who=None,
            client=SimpleNamespace(host="192.0.2.1"),
            hello=SimpleNamespace(name="peer.invalid"),
            connection=SimpleNamespace(id="c1"),
        )
        judged = Judged(b"the message")
        return asyncio.run(scan(cast(Any, needs), cast(Any, visit), transaction, judged))


@pytest.mark.parametrize(
    ("policy", "judgement", "reply"),
    [
        (WANTS, ACCEPT, None),
        (WANTS, REFUSE, UNWANTED),
        (WANTS, INFECTED, scanning.INFECTED),
        (WANTS, RETRY, LATER),
        (WANTS, None, LATER),
        (MARKED, None, None),
        (MARKED, REFUSE, UNWANTED),
    ],
)
def test_what_the_judge_says_is_the_answer(
    policy: TenantPolicy, judgement: Judgement | None, reply: Reply | None
) -> None:
    world = World(a=(policy, judgement))
    assert world.scan(("a", "1"), ("a", "2")) is reply
    [asked] = world.asked
    assert asked.recipients == ("r0@a.test", "r1@a.test")


def test_a_virus_for_one_and_spam_for_the_other_is_refused_as_a_virus() -> None:
    world = World(a=(WANTS, REFUSE), b=(WANTS, INFECTED), c=(WANTS, ACCEPT))
    assert world.scan(("a", "1"), ("b", "2")) is scanning.INFECTED
    assert world.scan(("a", "1"), ("b", "2"), ("c", "3")) is None


def test_who_did_not_ask_for_it_is_not_judged_nor_what_goes_out() -> None:
    world = World(a=(TenantPolicy(), REFUSE), b=(WANTS, REFUSE))
    assert world.scan(("a", "1")) is None
    assert world.scan(("a", "1"), ("b", "2")) is None
    assert world.scan(("b", None)) is None
    assert world.asked == []


def test_a_message_for_several_is_refused_only_where_all_refuse_it() -> None:
    for first, second, reply in (
        (REFUSE, REFUSE, UNWANTED),
        (REFUSE, ACCEPT, None),
        (REFUSE, RETRY, LATER),
        (ACCEPT, ACCEPT, None),
    ):
        assert World(a=(WANTS, first), b=(WANTS, second)).scan(("a", "1"), ("b", "2")) is reply
