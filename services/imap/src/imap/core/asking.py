"""Keys about the texts of messages: asked of PostgreSQL where it has them, of what was read where it has not.

BODY and TEXT hold a text, wherever in a word it begins, unless the tenant has chosen words: then they are asked for
words in any of their forms, in the language of the account (`text_search`). Header fields are always asked for what
they hold. FUZZY (RFC 6203) asks how similar a text is to some of a message's words.
"""

from collections.abc import Sequence

from directoryclient import Unavailable
from mailmodel import AccountRef
from mailmodel.collation import casemap
from mailmsg.header import fields
from mailmsg.words import decode_words
from mailproto.imap.search_keys import AndKey, BodyKey, HeaderKey, NotKey, OrKey, SearchKey, TextKey
from mailstore import TextAnswer, TextQuestion
from mailstore.texts import ANY_LANGUAGE, language_of

from imap.core.matching import Candidate
from imap.core.session import Session
from imap.ports import Policies

TextLeaf = HeaderKey | BodyKey | TextKey
WORDS = "words"
LONGEST_FUZZY = 200
# Messages that are asked about in one statement.
AT_ONCE = 2000


def leaves(key: SearchKey) -> list[TextLeaf]:
    """The keys about texts in it."""
    match key:
        case NotKey():
            return leaves(key.key)
        case OrKey():
            return leaves(key.either) + leaves(key.other)
        case AndKey():
            return [leaf for each in key.keys for leaf in leaves(each)]
        case HeaderKey() | BodyKey() | TextKey():
            return [key]
        case _:
            return []


async def language_of_account(policies: Policies | None, account_id: str) -> str:
    """In which its owner reads, as PostgreSQL names it."""
    if policies is None:
        return ANY_LANGUAGE
    try:
        return language_of((await policies.of_account(account_id)).locale)
    except Unavailable:
        return ANY_LANGUAGE


async def asking_of(session: Session, owner: AccountRef, key: SearchKey) -> "Asking":
    """What a search of one's own or another's mailbox asks. Who chose what is asked only where it matters."""
    found = leaves(key)
    if not any(leaf.fuzzy or not isinstance(leaf, HeaderKey) for leaf in found):
        return Asking(session, key, ANY_LANGUAGE, by_words=False)
    language = await language_of_account(session.policies, owner.account_id)
    return Asking(session, key, language, by_words=await asks_words(session))


async def asks_words(session: Session) -> bool:
    """Whether the tenant has chosen words."""
    if session.policies is None:
        return False
    try:
        return (await session.policies.of(session.account.tenant_id)).text_search == WORDS
    except Unavailable:
        return False


class Asking:
    """One search's questions."""

    def __init__(self, session: Session, key: SearchKey, language: str, *, by_words: bool) -> None:
        self._session = session
        self.language = language
        self.by_words = by_words
        found = list(dict.fromkeys(leaves(key)))
        self._fuzzy = [leaf for leaf in found if leaf.fuzzy]
        exact = [leaf.text for leaf in found if not leaf.fuzzy and not isinstance(leaf, HeaderKey)]
        similar = [leaf.text for leaf in self._fuzzy if not isinstance(leaf, HeaderKey)]
        self._texts = list(dict.fromkeys(exact))
        self._similar = list(dict.fromkeys(similar))
        self.question = TextQuestion(
            substrings=[] if by_words else [casemap(text) for text in self._texts],
            words=self._texts if by_words else [],
            fuzzy=[casemap(text)[:LONGEST_FUZZY] for text in self._similar],
        )

    @property
    def asks_bodies(self) -> bool:
        """Whether anything is asked of bodies."""
        return bool(self._texts or self._similar)

    @property
    def needs_database(self) -> bool:
        """Whether what was read must be given to PostgreSQL to be judged."""
        return bool(self._similar) or (self.by_words and bool(self._texts))

    async def of_kept(
        self, owner: AccountRef, mailbox_id: int, candidates: Sequence[Candidate]
    ) -> list[Candidate]:
        """What PostgreSQL knows of these; those of which it knows all that is asked."""
        known: list[Candidate] = []
        if not self.asks_bodies:
            return known
        for start in range(0, len(candidates), AT_ONCE):
            part = candidates[start : start + AT_ONCE]
            uids = [each.uid for each in part]
            answers = await self._session.store.ask_texts(owner, mailbox_id, uids, self.question)
            for each in part:
                if (answer := answers.get(each.uid)) is not None:
                    self._note(each, answer)
                    if len(each.held) == len(self._texts) and len(each.body_scores) == len(self._similar):
                        known.append(each)
        return known

    async def of_read(self, candidates: Sequence[Candidate]) -> None:
        """Of those whose text has been read."""
        read = [each for each in candidates if each.text is not None]
        if not read or not self.needs_database:
            return
        answers = await self._session.store.ask_of_texts(
            self._session.account.tenant_id, self.language, [each.text or "" for each in read], self.question
        )
        for each, answer in zip(read, answers, strict=True):
            self._note(each, answer)

    def _note(self, candidate: Candidate, answer: TextAnswer) -> None:
        told = answer.worded if self.by_words else answer.held
        for text, holds in zip(self._texts, told, strict=True):
            if holds or answer.complete:
                candidate.held[text] = holds
        for text, score in zip(self._similar, answer.scores, strict=True):
            candidate.body_scores[text] = score

    async def of_headers(self, candidates: Sequence[Candidate]) -> None:
        """How similar header fields are to what FUZZY seeks in them."""
        for leaf in self._fuzzy:
            if isinstance(leaf, BodyKey):
                continue
            texts = [_values(each.header or b"", leaf) for each in candidates]
            question = TextQuestion(fuzzy=[casemap(leaf.text)[:LONGEST_FUZZY]])
            answers = await self._session.store.ask_of_texts(
                self._session.account.tenant_id, self.language, texts, question
            )
            for each, answer in zip(candidates, answers, strict=True):
                each.header_scores[leaf] = answer.scores[0]

    def relevancy(self, candidate: Candidate) -> int:
        """From 1 to 100 (RFC 6203 §4)."""
        scores = [score for leaf in self._fuzzy if (score := candidate.score(leaf)) is not None]
        return max(1, min(100, round(100 * sum(scores) / len(scores)))) if scores else 100


def _values(header: bytes, leaf: TextLeaf) -> str:
    wanted = leaf.name.lower() if isinstance(leaf, HeaderKey) else None
    found = [decode_words(each.value) for each in fields(header) if wanted in (None, each.name.lower())]
    return casemap("\n".join(found))
