"""The texts of bodies in PostgreSQL, so that a search reads no object storage.

They are put here by whoever has read them anyhow, or by a worker for mailboxes that somebody opened (imap): nothing
waits for it, and a message whose text is not here is read as before. `body` is all of a message's texts as searches
compare them (mailmodel.collation), as far as KEPT_CHARACTERS; where that is not all, `complete` is false, and that a
text does not hold something is not known from it.

`words` is the same as a tsvector of the language that its reader has chosen; of a text that has more words than a tsvector
takes (a mebibyte of them), as far as FEWER_CHARACTERS. There is no GIN index: behind row-level
security PostgreSQL does not ask an index about what a reader seeks (its operators are not leakproof), and the account's
rows are found by their key. FUZZY is pg_trgm's word_similarity, or the same words in another form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from mailmodel import AccountRef
from pgkit import Pool, transaction

from mailstore import rows

KEPT_CHARACTERS = 256 * 1024
# Of a longer text what is similar is sought in the beginning.
FUZZY_CHARACTERS = 32 * 1024
# However their words are made: each character is of at most four octets, and stands in few words.
FEWER_CHARACTERS = 32 * 1024
# By the first part of a language tag (BCP 47).
LANGUAGES = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "et": "estonian",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "ga": "irish",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "no": "norwegian",
    "nb": "norwegian",
    "nn": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
ANY_LANGUAGE = "simple"

FOUND = f"""
    ARRAY(SELECT position(n IN t.body) > 0 FROM unnest($1::text[]) WITH ORDINALITY AS u(n, o) ORDER BY o) AS held,
    ARRAY(SELECT t.words @@ plainto_tsquery(t.language::regconfig, n)
          FROM unnest($2::text[]) WITH ORDINALITY AS u(n, o) ORDER BY o) AS worded,
    ARRAY(SELECT greatest(CASE WHEN position(n IN t.body) > 0 THEN 1 ELSE 0 END,
                          CASE WHEN t.words @@ plainto_tsquery(t.language::regconfig, n) THEN 0.9 ELSE 0 END,
                          word_similarity(n, left(t.body, {FUZZY_CHARACTERS})) * 0.9)
          FROM unnest($3::text[]) WITH ORDINALITY AS u(n, o) ORDER BY o)::float8[] AS scores"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class TextQuestion:
    """What is asked of texts: whether they hold these, have these words, and how similar they are to these."""

    substrings: Sequence[str] = ()
    words: Sequence[str] = ()
    fuzzy: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """For each of the question's, in order; scores from 0 to 1. Not `complete`: what was not found may be there."""

    complete: bool
    held: list[bool]
    worded: list[bool]
    scores: list[float]


@dataclass(frozen=True, slots=True)
class BodyText:
    """The text of one message's body, as it is compared."""

    message_id: str
    body: str


def language_of(tag: str) -> str:
    """The configuration for a language tag."""
    return LANGUAGES.get(tag.partition("-")[0].lower(), ANY_LANGUAGE)


def _answer(row: asyncpg.Record, *, complete: bool) -> TextAnswer:
    return TextAnswer(complete, row["held"], row["worded"], row["scores"])


async def ask(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int], question: TextQuestion
) -> dict[int, TextAnswer]:
    """By UID, of those messages whose text is here."""
    chosen = rows.CHOSEN.replace("$1", "$4").replace("$2", "$5").replace("$3", "$6")
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            f"""SELECT e.uid, t.complete, {FOUND} FROM ({chosen}) e
                CROSS JOIN LATERAL (SELECT * FROM message_text m
                    WHERE m.account_id = $4 AND m.message_id = e.message_id OFFSET 0) t""",  # noqa: S608
            question.substrings,
            question.words,
            question.fuzzy,
            UUID(account.account_id),
            mailbox_id,
            sorted(set(uids)),
        )
    return {row["uid"]: _answer(row, complete=row["complete"]) for row in found}


async def ask_of(
    pool: Pool, tenant_id: str, language: str, texts: Sequence[str], question: TextQuestion
) -> list[TextAnswer]:
    """Of texts that are given, in their order."""
    texts = [_storable(text)[:KEPT_CHARACTERS] for text in texts]
    try:
        return await _ask_of(pool, tenant_id, language, texts, question, KEPT_CHARACTERS)
    except asyncpg.ProgramLimitExceededError:
        answers = []
        for text in texts:
            try:
                answers += await _ask_of(pool, tenant_id, language, [text], question, KEPT_CHARACTERS)
            except asyncpg.ProgramLimitExceededError:
                answers += await _ask_of(pool, tenant_id, language, [text], question, FEWER_CHARACTERS)
        return answers


async def _ask_of(
    pool: Pool, tenant_id: str, language: str, texts: Sequence[str], question: TextQuestion, characters: int
) -> list[TextAnswer]:
    async with transaction(pool, tenant_id) as connection:
        found = await connection.fetch(
            f"""SELECT {FOUND} FROM (
                    SELECT g.o AS place, g.body, $5::text AS language,
                           to_tsvector($5::text::regconfig, left(g.body, $6)) AS words
                    FROM unnest($4::text[]) WITH ORDINALITY AS g(body, o)) t ORDER BY t.place""",  # noqa: S608
            question.substrings,
            question.words,
            question.fuzzy,
            texts,
            language,
            characters,
        )
    return [_answer(row, complete=True) for row in found]


def _storable(text: str) -> str:
    """Without what PostgreSQL's text has not."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


async def keep(pool: Pool, account: AccountRef, language: str, texts: Sequence[BodyText]) -> None:
    """Put these here; what is here already stays. Of messages that are gone, or just go, nothing is kept.

    It waits for nobody who takes messages away, and for others that keep texts in the order of the ids: whoever waits
    while he holds something must not be waited for.
    """
    texts = sorted(texts, key=lambda text: text.message_id)
    try:
        await _keep(pool, account, language, texts, KEPT_CHARACTERS)
    except asyncpg.ProgramLimitExceededError:
        for text in texts:
            try:
                await _keep(pool, account, language, [text], KEPT_CHARACTERS)
            except asyncpg.ProgramLimitExceededError:
                await _keep(pool, account, language, [text], FEWER_CHARACTERS)


async def _keep(
    pool: Pool, account: AccountRef, language: str, texts: Sequence[BodyText], characters: int
) -> None:
    """`characters`: how much of each makes words."""
    bodies, complete = [], []
    for text in texts:
        kept = _storable(text.body)
        bodies.append(kept[:KEPT_CHARACTERS])
        complete.append(kept == text.body and len(kept) <= KEPT_CHARACTERS)
    async with transaction(pool, account.tenant_id) as connection:
        await connection.execute(
            """INSERT INTO message_text (account_id, message_id, tenant_id, body, complete, language, words)
               SELECT $1, n.i, $2, n.b, n.c, $3, to_tsvector($3::text::regconfig, left(n.b, $7))
               FROM unnest($4::uuid[], $5::text[], $6::boolean[]) AS n(i, b, c)
               WHERE EXISTS (SELECT FROM message WHERE account_id = $1 AND message_id = n.i FOR KEY SHARE SKIP LOCKED)
               ON CONFLICT DO NOTHING""",
            UUID(account.account_id),
            UUID(account.tenant_id),
            language,
            [UUID(text.message_id) for text in texts],
            bodies,
            complete,
            characters,
        )


async def unkept(pool: Pool, account: AccountRef, mailbox_id: int, above_uid: int, limit: int) -> list[int]:
    """UIDs of messages whose text is not here, from the newest down, below `above_uid`."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            """SELECT e.uid FROM (SELECT uid, message_id FROM entry
                   WHERE account_id = $1 AND mailbox_id = $2 AND uid < $3 ORDER BY uid DESC OFFSET 0) e
               WHERE NOT EXISTS (SELECT FROM message_text t
                   WHERE t.account_id = $1 AND t.message_id = e.message_id OFFSET 0) LIMIT $4""",
            UUID(account.account_id),
            mailbox_id,
            above_uid,
            limit,
        )
    return [row["uid"] for row in found]
