"""Certificates of clients as SQL: of an account each, or an authority of a tenant (no account)."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pgkit import OPERATOR, Pool, transaction

from directory.core.certificates import Certificate
from directory.ports import InUse, Missing, Taken

MOST_OF_AN_OWNER = 20


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    fingerprint: str
    name: str
    subject: str
    der: bytes
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """`account_id` is None for a tenant's authorities."""

    tenant_id: str
    account_id: str | None = None

    @property
    def owner_id(self) -> str:
        return self.account_id or self.tenant_id


def _record(row: asyncpg.Record) -> CertificateRecord:
    return CertificateRecord(
        row["fingerprint"],
        row["name"],
        row["subject"],
        row["certificate"],
        row["expires_at"],
        row["created_at"],
    )


class ClientCertificates:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, holder: Holder, name: str, certificate: Certificate) -> CertificateRecord:
        """Raises Taken, InUse, Missing."""
        async with transaction(self._pool, holder.tenant_id) as connection:
            held = await connection.fetchval(
                "SELECT count(*) FROM client_certificate WHERE owner_id = $1::uuid", holder.owner_id
            )
            if held >= MOST_OF_AN_OWNER:
                raise InUse(f"there are at most {MOST_OF_AN_OWNER} certificates; delete one first")
            try:
                row = await connection.fetchrow(
                    """INSERT INTO client_certificate (tenant_id, owner_id, fingerprint, account_id, name, subject,
                                                       certificate, expires_at)
                       VALUES ($1::uuid, $2::uuid, $3, $4::uuid, $5, $6, $7, $8) RETURNING *""",
                    holder.tenant_id,
                    holder.owner_id,
                    certificate.fingerprint,
                    holder.account_id,
                    name,
                    certificate.subject,
                    certificate.der,
                    certificate.not_after,
                )
            except asyncpg.UniqueViolationError as error:
                raise Taken("that certificate is here already") from error
            except asyncpg.ForeignKeyViolationError as error:
                raise Missing("whose it would be is not here any more") from error
        assert row is not None
        return _record(row)

    async def listing(self, holder: Holder) -> list[CertificateRecord]:
        """The oldest first."""
        async with transaction(self._pool, holder.tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT * FROM client_certificate WHERE owner_id = $1::uuid
                   ORDER BY created_at, fingerprint""",
                holder.owner_id,
            )
        return [_record(row) for row in rows]

    async def delete(self, holder: Holder, fingerprint: str) -> None:
        """Raises Missing."""
        async with transaction(self._pool, holder.tenant_id) as connection:
            done = await connection.execute(
                "DELETE FROM client_certificate WHERE owner_id = $1::uuid AND fingerprint = $2",
                holder.owner_id,
                fingerprint,
            )
        if done == "DELETE 0":
            raise Missing(f"there is no certificate {fingerprint}")

    async def holds(self, holder: Holder, fingerprint: str) -> bool:
        """Whether it is one of the account's own."""
        async with transaction(self._pool, holder.tenant_id) as connection:
            return bool(
                await connection.fetchval(
                    """SELECT true FROM client_certificate
                       WHERE owner_id = $1::uuid AND account_id IS NOT NULL AND fingerprint = $2""",
                    holder.owner_id,
                    fingerprint,
                )
            )

    async def addresses_of(self, fingerprint: str) -> list[str]:
        """Of the accounts that have it: a certificate is no secret, so there may be several."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT p.local_part || '@' || p.domain AS address FROM client_certificate k
                   JOIN address p ON p.account_id = k.account_id AND p.is_primary
                   WHERE k.fingerprint = $1 LIMIT 2""",
                fingerprint,
            )
        return [row["address"] for row in rows]
