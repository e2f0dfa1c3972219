"""Ten thousand mailboxes: LIST is one query, whatever it is asked for."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from pgkit import transaction

from tests.support.imap_memory import Client, Imap

MAILBOXES = 10_000


class Counting:
    """Statements that ask for rows; beginning and ending a transaction is none."""

    def __init__(self) -> None:
        self.asked: list[str] = []


def counted(method: Callable[..., Awaitable[object]], counting: Counting) -> Callable[..., Awaitable[object]]:
    async def call(self: object, query: str, *values: object, **rest: object) -> object:
        if " FROM " in query and "set_config" not in query:
            counting.asked.append(query)
        return await method(self, query, *values, **rest)

    return call


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        monkeypatch.setattr(asyncpg.Connection, name, counted(getattr(asyncpg.Connection, name), counting))
    return counting


def many(imap: Imap, client: Client) -> None:
    client.say("CREATE Box")
    owner = imap._connections._open.copy().pop()._session.account

    async def insert() -> None:
        async with transaction(imap.store._pool, owner.tenant_id) as connection:
            await connection.execute(
                """INSERT INTO mailbox (account_id, tenant_id, name, uid_validity)
                   SELECT $1::uuid, $2::uuid, 'Box/' || n % 100 || '/' || n, n FROM generate_series(1, $3::int) AS n""",
                owner.account_id,
                owner.tenant_id,
                MAILBOXES,
            )

    imap.wait_for(insert())


@pytest.mark.parametrize(
    ("command", "names", "queries"),
    [
        ('LIST "" *', MAILBOXES + 7, 1),
        ('LIST "" Box/7/%', 100, 1),
        ('LIST "" * RETURN (SPECIAL-USE CHILDREN SUBSCRIBED MYRIGHTS)', MAILBOXES + 7, 1),
        ('LIST "" * RETURN (STATUS (MESSAGES UNSEEN UIDNEXT SIZE HIGHESTMODSEQ))', MAILBOXES + 7, 1),
        # What no counter holds is one more for all of them; and what is subscribed need not exist.
        ('LIST "" * RETURN (STATUS (DELETED))', MAILBOXES + 7, 2),
        ('LIST (SUBSCRIBED) "" *', 6, 2),
    ],
)
def test_list_is_one_query(imap: Imap, counting: Counting, command: str, names: int, queries: int) -> None:
    client = imap.client("alice@a.test")
    many(imap, client)
    counting.asked.clear()
    said = client.say(command)
    assert said[-1].startswith("OK")
    assert sum(line.startswith("* LIST") for line in said) == names
    assert len(counting.asked) == queries, counting.asked
