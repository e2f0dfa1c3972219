"""Which messages' headers may hold a text: what a search need not look at closely is left where it is.

PostgreSQL looks at the header as it is written, without its line breaks and whatever the case, as `matches` in imap does
before it takes a header apart. A header with encoded words, with octets beyond ASCII or with a backslash (which PostgreSQL
writes in another way here) may hold anything; so may one that is too long to be kept in its column. So none is left
out that holds the text, and most that do not hold it are.
"""

from collections.abc import Sequence
from uuid import UUID

from mailmodel import AccountRef
from pgkit import Pool, transaction

from mailstore import rows

# Each alternative is some texts; a header may hold all of one of them.
Alternatives = Sequence[Sequence[str]]

EVERY = "SELECT * FROM entry WHERE account_id = $1 AND mailbox_id = $2 AND $3::bigint[] IS NULL OFFSET 0"

# Written once for each text: another subquery would cost more than doing it twice. What has no white space in it cannot
# stand across a line break, which leaves some; then the breaks may stay, and half of the work with them.
PLAIN = r"""upper(m.written COLLATE "C")"""
UNFOLDED = r"""upper(replace(replace(m.written, E'\r', ''), E'\n', '') COLLATE "C")"""
WHITE = frozenset(" \t\r\n")
# Octets are looked through faster than characters; and what is escaped is longer than it was.
STATEMENT = r"""SELECT e.uid FROM ({entries}) e
    CROSS JOIN LATERAL (SELECT h.header, h.header_octets, h.raw, encode(h.raw, 'escape') AS written FROM (
        SELECT header, header_octets, prefix || header AS raw FROM message
        WHERE message.account_id = $1 AND message.message_id = e.message_id OFFSET 0) h OFFSET 0) m
    WHERE (m.header = '' AND m.header_octets > 0) OR octet_length(m.written) > octet_length(m.raw)
       OR position('=?'::bytea IN m.raw) > 0 OR {holds} ORDER BY e.uid"""


def _looks(text: str) -> list[tuple[str, str]]:
    """What is looked for and in what, the cheap look first: of several words the longest."""
    if WHITE.isdisjoint(text):
        return [(PLAIN, text)]
    longest = max(text.split(), key=len, default="")
    return [(PLAIN, longest), (UNFOLDED, text)] if longest else [(UNFOLDED, text)]


async def may_hold(
    pool: Pool, account: AccountRef, mailbox_id: int, alternatives: Alternatives, uids: Sequence[int] | None
) -> list[int]:
    """UIDs, in order, of messages whose header may hold all texts of an alternative; of all messages, or of these only.

    The texts are ASCII, in upper case.
    """
    texts: list[str] = []
    conditions = []
    for alternative in alternatives:
        held = []
        for form, text in (each for whole in alternative for each in _looks(whole)):
            texts.append(text)
            held.append(f"strpos({form}, ${len(texts) + 3}) > 0")
        conditions.append(" AND ".join(held))
    holds = " OR ".join(f"({condition})" for condition in conditions)
    statement = STATEMENT.format(entries=EVERY if uids is None else rows.CHOSEN, holds=holds)
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            statement,
            UUID(account.account_id),
            mailbox_id,
            None if uids is None else sorted(set(uids)),
            *texts,
        )
    return [row[0] for row in found]
