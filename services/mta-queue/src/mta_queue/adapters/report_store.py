"""Reports in PostgreSQL: what is due and by whom it is made, what was sent, what came, and its figures."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from pgkit import OPERATOR, Pool, transaction
from senderauth.reports import dmarc, tls

from mta_queue.adapters.filtering import Conditions, tenant_uuid
from mta_queue.adapters.items import scope_of
from mta_queue.core.records import Caller
from mta_queue.core.report_mail import Kind

CLAIM = timedelta(hours=1)
DUE_AT_ONCE = 200
# Of results of one domain and day in one report; what is beyond them is the rarest.
ROWS_MOST = 20_000
TABLES = {Kind.TLS: "tls_result", Kind.DMARC: "dmarc_result"}
KEPT = timedelta(days=7)
SENT_KEPT = timedelta(days=60)
FIGURES_KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Due:
    """A day of a domain's results that nobody has reported."""

    kind: Kind
    day: date
    domain: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What came about a domain: totals of one reporter's report."""

    tenant_id: str
    domain: str
    organization: str
    report_id: str
    begin_at: datetime
    end_at: datetime
    passed: int
    failed: int
    figures: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A report of ours, or why there was none."""

    kind: str
    day: date
    domain: str
    sent_to: tuple[str, ...]
    problem: str


class ReportStore:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def due(self, kind: Kind, before: date, after: Due | None = None) -> list[Due]:
        """Days before this one that have results and no report, some at once, from behind `after`."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                " ".join(
                    (
                        "SELECT DISTINCT r.day, r.domain FROM",
                        TABLES[kind],
                        "r WHERE r.day < $1 AND NOT EXISTS (SELECT FROM report_sent s WHERE s.kind = $2 AND s.day = r.day",
                        "AND s.domain = r.domain AND s.done_at IS NOT NULL) AND (r.day, r.domain) > ($4, $5)",
                        "ORDER BY r.day, r.domain LIMIT $3",
                    )
                ),
                before,
                kind.value,
                DUE_AT_ONCE,
                after.day if after is not None else date.min,
                after.domain if after is not None else "",
            )
        return [Due(kind, row["day"], row["domain"]) for row in rows]

    async def claim(self, due: Due, now: datetime) -> bool:
        """Whether it is this process's to make."""
        async with transaction(self._pool, OPERATOR) as connection:
            claimed = await connection.fetchval(
                """INSERT INTO report_sent AS known (kind, day, domain, claimed_at) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (kind, day, domain) DO UPDATE SET claimed_at = excluded.claimed_at
                   WHERE known.done_at IS NULL AND known.claimed_at < $5 RETURNING 1""",
                due.kind.value,
                due.day,
                due.domain,
                now,
                now - CLAIM,
            )
        return claimed is not None

    async def done(self, due: Due, sent_to: Sequence[str], problem: str, now: datetime) -> None:
        """It was sent, or is not going to be: its results are needed no more."""
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                """UPDATE report_sent SET done_at = $4, sent_to = $5, problem = $6
                   WHERE kind = $1 AND day = $2 AND domain = $3""",
                due.kind.value,
                due.day,
                due.domain,
                now,
                list(sent_to),
                problem[:500],
            )
            await connection.execute(
                " ".join(("DELETE FROM", TABLES[due.kind], "WHERE day = $1 AND domain = $2")),
                due.day,
                due.domain,
            )

    async def forget(self, now: datetime) -> None:
        """What nobody will ask for."""
        async with transaction(self._pool, OPERATOR) as connection:
            for table in TABLES.values():
                await connection.execute(
                    " ".join(("DELETE FROM", table, "WHERE day < $1")), (now - KEPT).date()
                )
            await connection.execute("DELETE FROM report_sent WHERE day < $1", (now - SENT_KEPT).date())
            await connection.execute("DELETE FROM report_received WHERE begin_at < $1", now - FIGURES_KEPT)

    async def tls_policies(self, due: Due) -> tuple[tls.PolicyResult, ...]:
        """The day's results by policy."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT policy_kind, policy_text, policy_hosts, fault, host, address, local_address, sum(sessions) AS n,
                          max(detail) AS detail
                   FROM tls_result WHERE day = $1 AND domain = $2 GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY n DESC LIMIT $3""",
                due.day,
                due.domain,
                ROWS_MOST,
            )
        by_policy: dict[tuple[Any, ...], list[asyncpg.Record]] = {}
        for row in rows:
            key = row["policy_kind"], tuple(row["policy_text"]), tuple(row["policy_hosts"])
            by_policy.setdefault(key, []).append(row)
        return tuple(
            tls.PolicyResult(
                kind,
                due.domain,
                text,
                hosts,
                int(sum(row["n"] for row in found if not row["fault"])),
                int(sum(row["n"] for row in found if row["fault"])),
                tuple(
                    tls.FailureDetail(
                        row["fault"],
                        int(row["n"]),
                        row["local_address"],
                        row["host"],
                        row["address"],
                        row["detail"],
                    )
                    for row in found
                    if row["fault"]
                ),
            )
            for (kind, text, hosts), found in by_policy.items()
        )

    async def dmarc_rows(self, due: Due) -> dict[dmarc.Published, tuple[tuple[dmarc.Row, int], ...]]:
        """The day's results by the policy that was found: it may have changed."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT published::text, "row"::text AS row, messages FROM dmarc_result
                   WHERE day = $1 AND domain = $2 ORDER BY messages DESC LIMIT $3""",
                due.day,
                due.domain,
                ROWS_MOST,
            )
        found: dict[dmarc.Published, list[tuple[dmarc.Row, int]]] = {}
        for row in rows:
            published = _published(json.loads(row["published"]))
            values = json.loads(row["row"])
            values["signatures"] = tuple(dmarc.DkimAuth(*each) for each in values["signatures"])
            found.setdefault(published, []).append((dmarc.Row(**values), row["messages"]))
        return {published: tuple(each) for published, each in found.items()}

    async def received(self, kind: Kind, figures: Figures) -> None:
        """Keep what came; the same report again changes nothing."""
        async with transaction(self._pool, figures.tenant_id) as connection:
            await connection.execute(
                """INSERT INTO report_received
                       (tenant_id, kind, domain, organization, report_id, begin_at, end_at, passed, failed, figures)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb) ON CONFLICT DO NOTHING""",
                UUID(figures.tenant_id),
                kind.value,
                figures.domain,
                figures.organization,
                figures.report_id,
                figures.begin_at,
                figures.end_at,
                figures.passed,
                figures.failed,
                figures.figures,
            )

    async def figures(
        self, caller: Caller, kind: Kind, tenant_id: str, domain: str, since: datetime, limit: int
    ) -> list[Figures]:
        """What came about days since then, newest first. Raises FilterInvalid."""
        found = Conditions()
        found.add("kind = {}", kind.value)
        found.add("begin_at >= {}", since)
        if tenant_id:
            found.add("tenant_id = {}", tenant_uuid(tenant_id))
        if domain:
            found.add("domain = {}", domain.lower())
        found.add("true ORDER BY begin_at DESC, domain, organization, report_id LIMIT {}", limit)
        select = (
            "SELECT tenant_id::text, domain, organization, report_id, begin_at, end_at, passed, failed, figures::text"
            " FROM report_received WHERE"
        )
        async with transaction(self._pool, scope_of(caller)) as connection:
            rows = await connection.fetch(" ".join((select, found.sql())), *found.values)
        return [Figures(**row) for row in rows]

    async def sent(self, since: date, limit: int) -> list[Sent]:
        """What was done with our own, newest first."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT kind, day, domain, sent_to, problem FROM report_sent WHERE done_at IS NOT NULL AND day >= $1
                   ORDER BY day DESC, kind, domain LIMIT $2""",
                since,
                limit,
            )
        return [
            Sent(row["kind"], row["day"], row["domain"], tuple(row["sent_to"]), row["problem"])
            for row in rows
        ]


def _published(values: dict[str, Any]) -> dmarc.Published:
    """A door of the version after may say more than is known here."""
    known = {each.name for each in fields(dmarc.Published)}
    return dmarc.Published(**{name: value for name, value in values.items() if name in known})
