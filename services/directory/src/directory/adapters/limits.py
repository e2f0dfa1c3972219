"""Tallies of failed logins as SQL. All rows are the operator's: who asks is not known yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgkit import OPERATOR, Connection, Pool, transaction

from directory.adapters.gathering import Gathering
from directory.core.limits import Breadth, Rules, Standing, Tally, minute_of
from directory.ports import Attempted, LimitRecord

STANDING = """
SELECT breadth, subject, failures, failed_at, succeeded_at FROM login_limit
WHERE (breadth = 'pair' AND subject = $1 AND prefix = $2) OR (breadth = 'prefix' AND subject = '' AND prefix = $2)
   OR (breadth = 'everywhere' AND prefix = '' AND subject = ANY($3::text[]))"""

# In the order of their keys, so that two that count at once do not wait for each other in a circle.
FAILED = """
INSERT INTO login_limit AS l (breadth, subject, prefix, tenant_id, account_id, failures, failed_at, touched_at)
SELECT k.breadth, k.subject, k.prefix, k.tenant_id, k.account_id, k.failures, k.failed_at, k.failed_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::int[], $7::timestamptz[])
     AS k(breadth, subject, prefix, tenant_id, account_id, failures, failed_at)
ORDER BY k.breadth, k.subject, k.prefix
ON CONFLICT (breadth, subject, prefix) DO UPDATE SET
    failures = CASE WHEN l.failed_at > excluded.failed_at - (
                             SELECT f.seconds * interval '1 second'
                             FROM unnest($8::text[], $9::float8[]) AS f(breadth, seconds) WHERE f.breadth = l.breadth)
                    THEN l.failures + excluded.failures ELSE excluded.failures END,
    failed_at = excluded.failed_at, touched_at = excluded.touched_at"""

SUCCEEDED = """
INSERT INTO login_limit (breadth, subject, prefix, tenant_id, account_id, succeeded_at, touched_at)
VALUES ('pair', $1, $2, $3::uuid, $4::uuid, $5, $5)
ON CONFLICT (breadth, subject, prefix) DO UPDATE SET failures = 0, failed_at = NULL,
    succeeded_at = excluded.succeeded_at, touched_at = excluded.touched_at"""

LISTING = """
SELECT l.*, p.local_part || '@' || p.domain AS address FROM login_limit l
LEFT JOIN address p ON p.account_id = l.account_id AND p.is_primary
WHERE l.breadth IN ('pair', 'prefix') AND l.failures > 0
  AND (l.breadth, l.subject, l.prefix) > ($1, $2, $3)
  AND ($4::uuid IS NULL OR l.account_id = $4) AND ($5 = '' OR l.prefix = $5)
ORDER BY l.breadth, l.subject, l.prefix LIMIT $6"""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What is added to a tally."""

    tenant_id: str | None
    account_id: str | None
    failures: int
    failed_at: datetime


class Limits:
    """Satisfies ports.LoginLimits. Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool, rules: Rules) -> None:
        self._pool = pool
        self._rules = rules
        self._failures = Gathering(self._count)

    async def standing(self, attempted: Attempted, now: datetime) -> Standing:
        minutes = [minute_of(now), minute_of(now - timedelta(minutes=1))]
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(STANDING, attempted.subject, attempted.prefix, minutes)
        found = {row["breadth"]: row for row in rows}
        pair, prefix = found.get("pair"), found.get("prefix")
        return Standing(
            pair=Tally(pair["failures"], pair["failed_at"]) if pair is not None else Tally(),
            prefix=Tally(prefix["failures"], prefix["failed_at"]) if prefix is not None else Tally(),
            # The last minute is never whole: the one before it counts too, and the larger of the two holds.
            lately_everywhere=max(
                (row["failures"] for row in rows if row["breadth"] == "everywhere"), default=0
            ),
            succeeded_at=pair["succeeded_at"] if pair is not None else None,
        )

    async def came_before(self, account_id: str) -> bool:
        async with transaction(self._pool, OPERATOR) as connection:
            return bool(
                await connection.fetchval(
                    "SELECT true FROM login_limit WHERE account_id = $1::uuid AND succeeded_at IS NOT NULL LIMIT 1",
                    account_id,
                )
            )

    async def failed(self, attempted: Attempted, now: datetime) -> None:
        """In one statement, with those that fail at the same time: either all tallies know it or none."""
        await self._failures.give((attempted, now))

    async def _count(self, failures: Sequence[tuple[Attempted, datetime]]) -> None:
        tallies: dict[tuple[str, str, str], _Counted] = {}
        for attempted, at in failures:
            keys = [
                (Breadth.EVERYWHERE.value, minute_of(at), ""),
                (Breadth.PAIR.value, attempted.subject, attempted.prefix),
            ]
            if attempted.counts_prefix:
                keys.append((Breadth.PREFIX.value, "", attempted.prefix))
            for key in keys:
                pair = key[0] == Breadth.PAIR.value
                before = tallies.get(key)
                tallies[key] = _Counted(
                    attempted.tenant_id if pair else None,
                    attempted.account_id if pair else None,
                    before.failures + 1 if before is not None else 1,
                    max(at, before.failed_at) if before is not None else at,
                )
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                FAILED,
                [key[0] for key in tallies],
                [key[1] for key in tallies],
                [key[2] for key in tallies],
                [each.tenant_id for each in tallies.values()],
                [each.account_id for each in tallies.values()],
                [each.failures for each in tallies.values()],
                [each.failed_at for each in tallies.values()],
                [each.value for each in Breadth],
                [self._rules.forgotten_seconds(each) for each in Breadth],
            )

    async def succeeded(self, attempted: Attempted, now: datetime) -> None:
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                SUCCEEDED,
                attempted.subject,
                attempted.prefix,
                attempted.tenant_id,
                attempted.account_id,
                now,
            )

    async def listing(
        self, account_id: str | None, prefix: str, after: Sequence[str], limit: int, now: datetime
    ) -> list[LimitRecord]:
        """What has failed and is not forgotten, by breadth, account and prefix; `after` is a `LimitRecord.key`."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(LISTING, *after, account_id, prefix, limit)
        made = []
        for row in rows:
            rule = self._rules.pair if row["breadth"] == "pair" else self._rules.prefix
            tally = Tally(row["failures"], row["failed_at"])
            made.append(
                LimitRecord(
                    key=(row["breadth"], row["subject"], row["prefix"]),
                    breadth=Breadth(row["breadth"]),
                    account_id=str(row["account_id"]) if row["account_id"] else "",
                    address=row["address"] or "",
                    prefix=row["prefix"],
                    failures=tally.current(now, rule.forgotten_seconds),
                    failed_at=row["failed_at"],
                    blocked_until=tally.blocked_until(now, rule),
                )
            )
        return made

    async def lift(self, account_id: str | None, prefix: str) -> int:
        """Forget the failures of an account, of a prefix, or of one from the other; how many tallies there were."""
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                """UPDATE login_limit SET failures = 0, failed_at = NULL
                   WHERE breadth IN ('pair', 'prefix') AND failures > 0
                     AND ($1::uuid IS NULL OR account_id = $1) AND ($2 = '' OR prefix = $2)""",
                account_id,
                prefix,
            )
        return int(done.rpartition(" ")[2])

    async def prune(self, now: datetime, familiar_days: int) -> int:
        """Delete what says nothing any more; how many rows."""
        async with transaction(self._pool, OPERATOR) as connection:
            return await _pruned(connection, now, familiar_days)


async def _pruned(connection: Connection, now: datetime, familiar_days: int) -> int:
    done = await connection.execute(
        """DELETE FROM login_limit WHERE touched_at < $1 AND (succeeded_at IS NULL OR succeeded_at < $2)
           OR breadth = 'everywhere' AND touched_at < $3""",
        now - timedelta(days=2),
        now - timedelta(days=familiar_days),
        now - timedelta(minutes=10),
    )
    return int(done.rpartition(" ")[2])
