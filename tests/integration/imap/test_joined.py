"""FETCH of what the store puts together says what is said where each value comes by itself."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID

import pytest
from mailmodel import AccountRef
from pgkit import transaction

from tests.support.imap_memory import Client, Imap

SEED = 20261121
ITEMS = ("ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822.SIZE", "INTERNALDATE", "FLAGS", "UID", "MODSEQ")
# What another item makes the whole command take the other way.
OTHERS = ("SAVEDATE", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
DATES = ("01-Jan-2020 00:00:09 +0000", " 9-Feb-2024 23:59:59 -0130", "31-Dec-1999 23:59:59 +1400")


def letter(number: int) -> bytes:
    """Subjects that a list of strings must quote, send as a literal, or leave."""
    subject = (b"plain", b'with "quotes" and \\', "Größe".encode(), b"%d %s {3}" % (number, b"x"), b"")[
        number % 5
    ]
    fields = b"Subject: %b\r\nFrom: Anne <anne@a.test>\r\nMessage-ID: <%d@a.test>\r\n" % (subject, number)
    if number % 3 == 0:
        part = b"--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
        return fields + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part + part + b"--b--\r\n"
    return fields + b"\r\n" + b"x" * number + b"\r\n"


@pytest.fixture
def both(server: Callable[..., Imap]) -> tuple[Client, Client, Imap]:
    """Two sessions on one mailbox; to the first the store gives nothing put together."""
    plain, joining = server(), server()

    async def nothing(
        _account: object, _mailbox_id: int, uids: Sequence[int], segments: Sequence[object]
    ) -> AsyncIterator[list[tuple[int, *tuple[None, ...]]]]:
        yield [(uid, *(None for _ in segments)) for uid in uids]

    plain.store.fetch_joined = nothing
    one = plain.client("alice@a.test", select="INBOX")
    for number in range(40):
        when = f' "{DATES[number % 3]}"' if number % 4 else ""
        one.append(letter(number), flags=f"({('', 'Work', chr(92) + 'Seen')[number % 3]}){when}")
    one.say("STORE 3,4,20:27 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    return one, joining.client("alice@a.test", select="INBOX"), joining


@pytest.mark.parametrize("enable", ["NOOP", "ENABLE CONDSTORE", "ENABLE IMAP4rev2", "ENABLE UIDONLY"])
def test_the_same_is_said(both: tuple[Client, Client, Imap], enable: str) -> None:
    one, other, _ = both
    chance = random.Random(SEED)
    for client in (one, other):
        client.say(enable)
        client.say("SELECT INBOX")
    for turn in range(25):
        items = chance.sample(ITEMS, k=chance.randint(1, len(ITEMS)))
        if turn % 8 == 0:
            items.insert(chance.randint(0, len(items)), chance.choice(OTHERS))
        # Dense and sparse, among what is there and what is gone, and one message alone.
        low = chance.randint(1, 40)
        numbers = chance.choice(("1:*", f"{low}:*", f"{low}", "1,5,11,39", "2:6,30", f"{low}:{low + 3}"))
        command = f"UID FETCH {numbers} ({' '.join(items)})"
        said = one.say(command)
        assert said[-1].startswith("OK"), said
        assert other.say(command) == said, command


def test_what_cannot_be_put_together_comes_by_itself(both: tuple[Client, Client, Imap]) -> None:
    """A column that is sealed begins with another octet; here one that was altered stands for it."""
    one, other, imap = both
    account = AccountRef(*_ids(imap))
    command = "UID FETCH 1:12 (UID ENVELOPE RFC822.SIZE)"
    before = other.say(command)

    async def alter() -> None:
        async with transaction(imap.store._pool, account.tenant_id) as connection:
            await connection.execute(
                """UPDATE message SET envelope = ' ' || envelope WHERE account_id = $1 AND message_id IN
                   (SELECT message_id FROM entry WHERE account_id = $1 AND uid IN (2, 5))""",
                UUID(account.account_id),
            )

    imap.wait_for(alter())
    assert one.say(command) != before
    assert sorted(other.say(command)) == sorted(one.say(command))


def _ids(imap: Imap) -> tuple[str, str]:
    [session] = [each._session for each in imap._connections._open]
    return session.account.tenant_id, session.account.account_id
