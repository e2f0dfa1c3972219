"""The sign-in log as SQL: written by the journal in batches, read within a tenant, pruned by age."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pgkit import OPERATOR, Connection, Pool, transaction

from directory.ports import AccountRecord, SignInRecord

GRANTED_DAYS = 90
REFUSED_DAYS = 30

# An account that was deleted meanwhile has no log; one that is there stays until this is written.
WRITE = """
INSERT INTO sign_in AS s (account_id, tenant_id, hour, service, address, outcome, first_at, last_at, times,
                          new_device, suspicious)
SELECT c.account_id, c.tenant_id, n.hour, n.service, n.address, n.outcome, n.first_at, n.last_at, n.times, n.new_device,
       n.suspicious
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::int[], $9::boolean[], $10::boolean[])
     AS n(account_id, hour, service, address, outcome, first_at, last_at, times, new_device, suspicious)
JOIN account c ON c.account_id = n.account_id
ORDER BY 1, 3, 4, 5, 6
FOR KEY SHARE OF c
ON CONFLICT (account_id, hour, service, address, outcome) DO UPDATE SET
    first_at = least(s.first_at, excluded.first_at), last_at = greatest(s.last_at, excluded.last_at),
    times = s.times + excluded.times, new_device = s.new_device OR excluded.new_device,
    suspicious = s.suspicious OR excluded.suspicious"""


async def write(connection: Connection, records: Sequence[SignInRecord]) -> None:
    """Add these to the log, in a transaction of the operator's."""
    await connection.execute(
        WRITE,
        [each.account_id for each in records],
        [hour_of(each.first_at) for each in records],
        [each.service for each in records],
        [each.address for each in records],
        [each.outcome for each in records],
        [each.first_at for each in records],
        [each.last_at for each in records],
        [each.times for each in records],
        [each.new_device for each in records],
        [each.suspicious for each in records],
    )


def hour_of(at: datetime) -> datetime:
    """The hour that an instant is in."""
    return at.replace(minute=0, second=0, microsecond=0)


class SignIns:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def listing(
        self, account: AccountRecord, before: tuple[datetime, str, str, str] | None, limit: int
    ) -> list[SignInRecord]:
        """The latest first; `before` is the key of the last one of the page before."""
        last_at, service, address, outcome = before or (None, "", "", "")
        async with transaction(self._pool, account.tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT * FROM sign_in WHERE account_id = $1::uuid
                     AND ($2::timestamptz IS NULL OR (last_at, service, address, outcome) < ($2, $3, $4, $5))
                   ORDER BY last_at DESC, service DESC, address DESC, outcome DESC LIMIT $6""",
                account.account_id,
                last_at,
                service,
                address,
                outcome,
                limit,
            )
        return [
            SignInRecord(
                account_id=str(row["account_id"]),
                service=row["service"],
                address=row["address"],
                outcome=row["outcome"],
                first_at=row["first_at"],
                last_at=row["last_at"],
                times=row["times"],
                new_device=row["new_device"],
                suspicious=row["suspicious"],
            )
            for row in rows
        ]

    async def prune(self, now: datetime) -> int:
        """Delete what is too old; how many rows."""
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                "DELETE FROM sign_in WHERE last_at < $1 OR last_at < $2 AND outcome <> 'granted'",
                now - timedelta(days=GRANTED_DAYS),
                now - timedelta(days=REFUSED_DAYS),
            )
        return int(done.rpartition(" ")[2])
