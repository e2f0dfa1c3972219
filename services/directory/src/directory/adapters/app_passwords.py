"""App passwords as SQL, each within its tenant."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from pgkit import Pool, transaction

from directory.adapters.accounts import scram_columns
from directory.core.app_passwords import MOST_OF_AN_ACCOUNT
from directory.core.scram import ScramKeys
from directory.ports import AccountRecord, AppPasswordRecord, InUse, Missing, Taken


def _record(row: asyncpg.Record) -> AppPasswordRecord:
    return AppPasswordRecord(
        app_password_id=str(row["credential_id"]),
        account_id=str(row["account_id"]),
        name=row["name"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        last_used_service=row["last_used_service"],
        last_used_address=row["last_used_address"],
    )


class AppPasswords:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self,
        account: AccountRecord,
        name: str,
        verifier: str,
        scopes: Sequence[str],
        expires_at: datetime | None,
        keys: ScramKeys | None,
    ) -> AppPasswordRecord:
        """Raises Taken, InUse where there are too many, Missing where the account is gone."""
        async with transaction(self._pool, account.tenant_id) as connection:
            # Two that create at once take turns, so that the count holds.
            if not await connection.fetchval(
                "SELECT true FROM account WHERE account_id = $1::uuid FOR UPDATE", account.account_id
            ):
                raise Missing(f"there is no account {account.address}")
            held = await connection.fetchval(
                "SELECT count(*) FROM credential WHERE account_id = $1::uuid AND kind = 'app'",
                account.account_id,
            )
            if held >= MOST_OF_AN_ACCOUNT:
                raise InUse(f"an account has at most {MOST_OF_AN_ACCOUNT} app passwords; delete one first")
            try:
                row = await connection.fetchrow(
                    """INSERT INTO credential (account_id, tenant_id, kind, verifier, name, scopes, expires_at,
                                               scram_iterations, scram_stored_key, scram_server_key)
                       VALUES ($1::uuid, $2::uuid, 'app', $3, $4, $5::text[], $6, $7, $8, $9) RETURNING *""",
                    account.account_id,
                    account.tenant_id,
                    verifier,
                    name,
                    list(scopes),
                    expires_at,
                    *scram_columns(keys),
                )
            except asyncpg.UniqueViolationError as error:
                raise Taken(f"the account has an app password {name} already") from error
        assert row is not None
        return _record(row)

    async def listing(self, account: AccountRecord) -> list[AppPasswordRecord]:
        """All of an account, by name."""
        async with transaction(self._pool, account.tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT * FROM credential WHERE account_id = $1::uuid AND kind = 'app' ORDER BY name",
                account.account_id,
            )
        return [_record(row) for row in rows]

    async def delete(self, account: AccountRecord, app_password_id: str) -> None:
        """Raises Missing."""
        async with transaction(self._pool, account.tenant_id) as connection:
            done = await connection.execute(
                """DELETE FROM credential WHERE account_id = $1::uuid AND credential_id = $2::uuid
                   AND kind = 'app'""",
                account.account_id,
                app_password_id,
            )
        if done == "DELETE 0":
            raise Missing(f"the account has no app password {app_password_id}")
