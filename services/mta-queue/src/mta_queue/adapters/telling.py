"""Who is told of what happened: webhooks in the transaction that settles it, the bus after the commit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import asyncpg
from pgkit import Connection

from mta_queue.adapters.hooks import enqueue
from mta_queue.adapters.recording import parse_reply
from mta_queue.core.events import Event, encode, of_outcome
from mta_queue.core.hooks import Hook
from mta_queue.core.outcome import Outcome, Verdict

EVENTS_A_PAYLOAD = 200


class Telling:
    """Of one process. `hooks` are the webhooks by tenant, `tell` hands the bus a payload for a tenant."""

    def __init__(
        self,
        hooks: Callable[[], Mapping[str, Sequence[Hook]]] = dict,
        tell: Callable[[str, bytes], None] = lambda tenant_id, payload: None,
    ) -> None:
        self._hooks = hooks
        self._tell = tell

    async def happened(self, connection: Connection, events: Iterable[Event]) -> list[Event]:
        """What webhooks are to be told is written with what happened."""
        found = list(events)
        hooks = self._hooks()
        if hooks:
            await enqueue(connection, hooks, found)
        return found

    def told(self, events: Sequence[Event]) -> None:
        """The bus hears of it after the commit: one payload for each tenant."""
        by_tenant: dict[str, list[Event]] = {}
        for each in events:
            by_tenant.setdefault(each["tenant_id"], []).append(each)
        for tenant_id, some in by_tenant.items():
            for start in range(0, len(some), EVENTS_A_PAYLOAD):
                self._tell(tenant_id, encode(some[start : start + EVENTS_A_PAYLOAD]))


def given_up(rows: Sequence[asyncpg.Record]) -> list[Event]:
    """Of recipients that were settled without an attempt: rows of relay_outcome, with the reverse-path."""
    now = datetime.now(UTC)
    return [
        of_outcome(
            str(row["tenant_id"]),
            row["queue_id"],
            row["reverse_path"],
            Outcome(row["address"], Verdict.FAILED, parse_reply(row["reply"], row["status"]), row["host"]),
            now,
        )
        for row in rows
    ]
