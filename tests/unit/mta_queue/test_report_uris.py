"""What a stranger's record says where reports go: nonsense in it keeps nobody else's from being noted as sent."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest
from directoryclient import Disposition, Resolution, Target
from mta_queue.adapters.https import Answer
from mta_queue.adapters.report_store import Due
from mta_queue.core.report_mail import Kind
from mta_queue.edge.reporting import Reporter, Reporting

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class World:
    """The store, DNS, the directory, the gate, the web."""

    def __init__(self, records: dict[str, str]) -> None:
        self._records = records
        self.sent: list[str] = []
        self.done_with: list[tuple[list[str], str]] = []
        self._dues = {kind: [Due(kind, date(2026, 11, 20), "y.test")] for kind in Kind}

    async def forget(self, now: datetime) -> None:
        pass

    async def due(self, kind: Kind, today: date, after: Due | None) -> list[Due]:
        return [] if after is not None else self._dues[kind]

    async def claim(self, due: Due, now: datetime) -> bool:
        return True

    async def tls_policies(self, due: Due) -> list[object]:
        return []

    async def dmarc_rows(self, due: Due) -> dict[object, object]:
        return {}

    async def done(self, due: Due, sent_to: list[str], problems: str, now: datetime) -> None:
        self._dues[due.kind].remove(due)
        self.done_with.append((sent_to, problems))

    async def records(self, name: str, kind: str) -> list[str]:
        return [self._records[name]] if name in self._records else []

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        return [
            Resolution(Disposition.DELIVER, (Target(each, "account", "tenant"),), "tenant")
            for each in addresses
        ]

    async def of(self, tenant_id: str, domain: str) -> tuple[()]:
        return ()

    async def post(self, host: str, target: str, body: bytes, headers: object) -> Answer:
        self.sent.append(f"https://{host}{target}")
        return Answer(201, "", b"")


@pytest.mark.parametrize(
    "nonsense",
    [
        "https://h.test:99999/",
        "https://h.test:no/",
        "https://[bad/",
        "https://a..b/",
        "https:///x",
        "https://\u0660.test/",
        f"https://{'a' * 70}.test/",
        "https://h.test/\u00e9",
        "https://127.0.0.1/",
        "https://user@h.test/",
        "mailto://[x@y.test",
    ],
)
async def test_nonsense_in_a_record_is_noted_and_the_others_hear_once(nonsense: str) -> None:
    world = World(
        {
            "_smtp._tls.y.test": f"v=TLSRPTv1; rua=https://web.y.test/in,{nonsense}",
            "_dmarc.y.test": f"v=DMARC1; p=none; rua={nonsense}",
        }
    )
    anything = cast(Any, world)
    reporting = Reporting(
        Reporter("mail.ours.test", "reports@ours.test"), *(anything,) * 6, clock=lambda: NOW
    )
    for _ in range(2):
        await reporting.once(asyncio.Event())
    assert world.sent == ["https://web.y.test/in"]
    assert len(world.done_with) == 2, "what is not noted as done is made again, and sent again"
    assert ["https://web.y.test/in"] in [sent_to for sent_to, _ in world.done_with]
