"""A secret that all processes of the directory share; it was made with the table (migration 0004)."""

from pgkit import OPERATOR, Pool, transaction


async def shared_secret(pool: Pool, name: str) -> bytes:
    """Its 32 octets. Raises DatabaseUnavailable."""
    async with transaction(pool, OPERATOR) as connection:
        value = await connection.fetchval("SELECT value FROM shared_secret WHERE name = $1", name)
    if not isinstance(value, bytes):
        raise RuntimeError(f"the database has no secret {name}: run the migrations")
    return value
