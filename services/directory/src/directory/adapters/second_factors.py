"""Second factors, recovery codes and challenges as SQL, each within its tenant. What counts once counts once, in all processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import asyncpg
from pgkit import OPERATOR, Pool, transaction

from directory.core.second_factor import MOST_FACTORS
from directory.ports import InUse, Missing

CHALLENGE_SECONDS = 300.0
CHALLENGE_ATTEMPTS = 5


class Owner(Protocol):
    """Whose they are: a Login or an AccountRecord."""

    @property
    def account_id(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class FactorRecord:
    """`counter`: the last TOTP step that counted, or the authenticator's own counter."""

    factor_id: str
    kind: str
    name: str
    sealed: bytes | None = field(repr=False)
    webauthn_id: bytes | None
    public_key: bytes | None
    counter: int
    confirmed: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChallengeRecord:
    account_id: str
    tenant_id: str
    address: str
    challenge: bytes


def _factor(row: asyncpg.Record) -> FactorRecord:
    return FactorRecord(
        str(row["factor_id"]),
        row["kind"],
        row["name"],
        row["sealed"],
        row["webauthn_id"],
        row["public_key"],
        row["counter"],
        row["confirmed"],
        row["created_at"],
        row["last_used_at"],
    )


class SecondFactors:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def listing(self, owner: Owner) -> list[FactorRecord]:
        """All of an account, the oldest first; those not confirmed too."""
        async with transaction(self._pool, owner.tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT * FROM second_factor WHERE account_id = $1::uuid ORDER BY created_at, factor_id",
                owner.account_id,
            )
        return [_factor(row) for row in rows]

    async def codes_left(self, owner: Owner) -> int:
        """Recovery codes."""
        async with transaction(self._pool, owner.tenant_id) as connection:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM recovery_code WHERE account_id = $1::uuid", owner.account_id
                )
            )

    async def add_totp(self, owner: Owner, name: str, factor_id: str, sealed: bytes) -> None:
        """Not confirmed yet; what was never confirmed before is forgotten. Raises InUse, Missing."""
        await self._add(owner, name, factor_id, sealed, None, None, 0, False)

    async def add_webauthn(
        self, owner: Owner, name: str, factor_id: str, webauthn_id: bytes, public_key: bytes, counter: int
    ) -> None:
        """Raises InUse, Missing."""
        await self._add(owner, name, factor_id, None, webauthn_id, public_key, counter, True)

    async def _add(
        self,
        owner: Owner,
        name: str,
        factor_id: str,
        sealed: bytes | None,
        webauthn_id: bytes | None,
        public_key: bytes | None,
        counter: int,
        confirmed: bool,
    ) -> None:
        async with transaction(self._pool, owner.tenant_id) as connection:
            if not await connection.fetchval(
                "SELECT true FROM account WHERE account_id = $1::uuid AND deleted_at IS NULL FOR UPDATE",
                owner.account_id,
            ):
                raise Missing("the account is not here any more")
            await connection.execute(
                "DELETE FROM second_factor WHERE account_id = $1::uuid AND NOT confirmed", owner.account_id
            )
            held = await connection.fetchval(
                "SELECT count(*) FROM second_factor WHERE account_id = $1::uuid", owner.account_id
            )
            if held >= MOST_FACTORS:
                raise InUse(f"an account has at most {MOST_FACTORS} second factors")
            await connection.execute(
                """INSERT INTO second_factor (factor_id, account_id, tenant_id, kind, name, sealed, webauthn_id,
                                              public_key, counter, confirmed)
                   VALUES ($1::uuid, $2::uuid, $3::uuid, $4, $5, $6, $7, $8, $9, $10)""",
                factor_id,
                owner.account_id,
                owner.tenant_id,
                "totp" if sealed is not None else "webauthn",
                name,
                sealed,
                webauthn_id,
                public_key,
                counter,
                confirmed,
            )

    async def use(self, owner: Owner, factor_id: str, counter: int, now: datetime) -> bool:
        """Count it, and confirm it; False where this step, or a later one, has counted already.

        An authenticator without a counter says 0 each time: its challenges count once instead.
        """
        async with transaction(self._pool, owner.tenant_id) as connection:
            done = await connection.execute(
                """UPDATE second_factor SET counter = $3, confirmed = true, last_used_at = $4
                   WHERE account_id = $1::uuid AND factor_id = $2::uuid
                     AND (counter < $3 OR kind = 'webauthn' AND counter = 0 AND $3 = 0)""",
                owner.account_id,
                factor_id,
                counter,
                now,
            )
        return bool(done == "UPDATE 1")

    async def delete(self, owner: Owner, factor_id: str) -> None:
        """With the last one the recovery codes go too. Raises Missing."""
        async with transaction(self._pool, owner.tenant_id) as connection:
            done = await connection.execute(
                "DELETE FROM second_factor WHERE account_id = $1::uuid AND factor_id = $2::uuid",
                owner.account_id,
                factor_id,
            )
            if done == "DELETE 0":
                raise Missing(f"the account has no second factor {factor_id}")
            await connection.execute(
                """DELETE FROM recovery_code WHERE account_id = $1::uuid AND NOT EXISTS
                       (SELECT FROM second_factor WHERE account_id = $1::uuid AND confirmed)""",
                owner.account_id,
            )

    async def replace_codes(self, owner: Owner, verifiers: Sequence[str]) -> None:
        """Raises InUse where there is no second factor that they could stand for."""
        async with transaction(self._pool, owner.tenant_id) as connection:
            if not await connection.fetchval(
                "SELECT true FROM second_factor WHERE account_id = $1::uuid AND confirmed LIMIT 1",
                owner.account_id,
            ):
                raise InUse("the account has no second factor; add one first")
            await connection.execute(
                "DELETE FROM recovery_code WHERE account_id = $1::uuid", owner.account_id
            )
            await connection.execute(
                """INSERT INTO recovery_code (account_id, verifier, tenant_id)
                   SELECT $1::uuid, verifier, $2::uuid FROM unnest($3::text[]) AS v(verifier)""",
                owner.account_id,
                owner.tenant_id,
                list(verifiers),
            )

    async def use_code(self, owner: Owner, verifier: str) -> bool:
        """Whether it is one of the recovery codes; it is none any more then."""
        async with transaction(self._pool, owner.tenant_id) as connection:
            done = await connection.execute(
                "DELETE FROM recovery_code WHERE account_id = $1::uuid AND verifier = $2",
                owner.account_id,
                verifier,
            )
        return bool(done == "DELETE 1")

    async def challenge(self, owner: Owner, purpose: str, challenge: bytes, now: datetime) -> str:
        """A new one; its id."""
        async with transaction(self._pool, owner.tenant_id) as connection:
            made = await connection.fetchval(
                """INSERT INTO login_challenge (account_id, tenant_id, purpose, challenge, expires_at)
                   VALUES ($1::uuid, $2::uuid, $3, $4, $5) RETURNING challenge_id""",
                owner.account_id,
                owner.tenant_id,
                purpose,
                challenge,
                now + timedelta(seconds=CHALLENGE_SECONDS),
            )
        return str(made)

    async def attempt(self, challenge_id: str, purpose: str, now: datetime) -> ChallengeRecord | None:
        """Count an attempt at it; None where it is not there, too old or tried too often."""
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                """UPDATE login_challenge l SET attempts = l.attempts + 1 FROM address p
                   WHERE l.challenge_id = $1::uuid AND l.purpose = $2 AND l.expires_at > $3 AND l.attempts < $4
                     AND p.account_id = l.account_id AND p.is_primary
                   RETURNING l.account_id, l.tenant_id, l.challenge, p.local_part || '@' || p.domain AS address""",
                challenge_id,
                purpose,
                now,
                CHALLENGE_ATTEMPTS,
            )
        if row is None:
            return None
        return ChallengeRecord(
            str(row["account_id"]), str(row["tenant_id"]), row["address"], row["challenge"]
        )

    async def settle(self, challenge_id: str) -> bool:
        """It was met; False where somebody else was sooner with it."""
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                "DELETE FROM login_challenge WHERE challenge_id = $1::uuid", challenge_id
            )
        return bool(done == "DELETE 1")

    async def prune(self, now: datetime) -> None:
        """Challenges that nobody can meet any more."""
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute("DELETE FROM login_challenge WHERE expires_at < $1", now)
