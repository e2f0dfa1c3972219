"""Transactions that see one tenant's rows and no other's.

The tenant is set for the transaction only, in the same round trip as BEGIN.
Without it the policies (`pgkit.migrations.protect`) show no rows at all.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from enum import Enum
from uuid import UUID

from pgkit.errors import AWAY, DatabaseUnavailable, is_away, unavailable
from pgkit.pool import Connection, Pool


class Scope(Enum):
    """Scopes that are not one tenant."""

    OPERATOR = "operator"


# For look-ups that must find out whose something is, and for the operator's lists.
OPERATOR = Scope.OPERATOR


class OutsideTenant(Exception):
    """A transaction of another tenant's, where only one tenant's are allowed."""


_only: ContextVar[str | None] = ContextVar("posthouse_only_tenant", default=None)


@contextmanager
def only_within(tenant_id: str) -> Iterator[None]:
    """Every transaction of this task stays within a tenant: the operator's scope too sees its rows and no others.

    For what is done on behalf of a tenant's own people. Raises ValueError for what is no id.
    """
    token = _only.set(str(UUID(tenant_id)))
    try:
        yield
    finally:
        _only.reset(token)


def is_within() -> bool:
    """Whether this task stays within a tenant: it acts for that tenant's people, and not for the operator."""
    return _only.get() is not None


def tenant_within() -> str:
    """The tenant that this task stays within; "" where it acts for the operator."""
    return _only.get() or ""


def _allowed(scope: Scope | str) -> Scope | str:
    """Raises OutsideTenant."""
    only = _only.get()
    if only is None or isinstance(scope, Scope):
        return scope if only is None else only
    if str(UUID(scope)) != only:
        raise OutsideTenant("there is nothing like that in the tenant")
    return scope


def may_enter(tenant_id: str) -> None:
    """Before a tenant is entered in another way than by `transaction`. Raises OutsideTenant."""
    _allowed(tenant_id)


def _opening(scope: Scope | str) -> str:
    scope = _allowed(scope)
    if isinstance(scope, Scope):
        return f"BEGIN; SELECT set_config('posthouse.scope', '{scope.value}', true)"
    # UUID() refuses what is not one: nothing of a peer's gets into the statement.
    return f"BEGIN; SET LOCAL posthouse.tenant = '{UUID(scope)}'"


async def enter_tenant(connection: Connection, tenant_id: str) -> None:
    """Go on with another tenant in the same transaction. Raises OutsideTenant."""
    _allowed(tenant_id)
    await connection.execute(f"SELECT set_config('posthouse.tenant', '{UUID(tenant_id)}', true)")


@asynccontextmanager
async def transaction(pool: Pool, scope: Scope | str) -> AsyncIterator[Connection]:
    """A transaction within one tenant (its id) or in the operator's scope.

    Commits at the end of the block, rolls back on an exception. Raises
    DatabaseUnavailable where PostgreSQL is away; whether a COMMIT that lost its
    connection was done is then unknown, so what runs in here must bear repetition.
    Collided, one of these, says that nothing was done (see `again_after_collision`).
    Raises OutsideTenant (see `only_within`).
    """
    opening = _opening(scope)
    try:
        connection = await pool.acquire()
    except AWAY as error:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
    try:
        try:
            await connection.execute(opening)
            yield connection
            await connection.execute("COMMIT")
        except BaseException as error:
            await _roll_back(connection)
            if is_away(error):
                raise unavailable(error) from error
            raise
    finally:
        try:
            await asyncio.shield(pool.release(connection))
        except AWAY:
            # It is gone; the pool makes a new one.
            pass


async def _roll_back(connection: Connection) -> None:
    if connection.is_closed():
        return
    try:
        await asyncio.shield(connection.execute("ROLLBACK", timeout=2.0))
    except (Exception, asyncio.CancelledError):
        connection.terminate()
