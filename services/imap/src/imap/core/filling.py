"""Putting texts of bodies into PostgreSQL, beside everything else: nobody waits for it.

What a search has read is handed over; and mailboxes that somebody has opened are gone through from their newest message
down, one after the other. What is not there yet, a search reads as it always did.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from mailmodel import AccountRef
from mailstore import BodyCorrupt, BodyText, Columns, MailStore, StoredMessage, StoreUnavailable
from structlog.typing import FilteringBoundLogger

from imap import metrics
from imap.core.asking import language_of_account
from imap.core.runs import read_run, runs
from imap.core.texts import DOCUMENT_OCTETS, document_parts, document_texts, whole_text
from imap.ports import Documents, Policies

GROUP = 100
MOST_WAITING = 1000
MOST_REMEMBERED = 100_000
PAUSE_SECONDS = 1.0
# Of larger messages the texts are read when somebody seeks something in them.
LARGEST_OCTETS = 1024 * 1024
# But for those with documents, which only this reads.
LARGEST_WITH_DOCUMENTS = DOCUMENT_OCTETS + LARGEST_OCTETS
LAST_UID = 1 << 33


@dataclass(frozen=True, slots=True)
class _Read:
    owner: AccountRef
    language: str
    texts: Sequence[BodyText]


@dataclass(frozen=True, slots=True)
class _Opened:
    owner: AccountRef
    mailbox_id: int
    uid_next: int


class Filler:
    """One of a process. What is too much at once is let go of: it is read again some day."""

    def __init__(
        self,
        store: MailStore,
        policies: Policies | None,
        log: FilteringBoundLogger,
        documents: Documents | None = None,
    ) -> None:
        self.store = store
        self._documents = documents
        self._policies = policies
        self._log = log
        self._waiting: dict[_Read | _Opened, None] = {}
        self._news = asyncio.Event()
        # By mailbox, the next UID when it was gone through.
        self._done: dict[int, int] = {}

    def read(self, owner: AccountRef, language: str, texts: Sequence[BodyText]) -> None:
        """A search has read these."""
        self._add(_Read(owner, language, tuple(texts)))

    def opened(self, owner: AccountRef, mailbox_id: int, uid_next: int) -> None:
        """Somebody looks into this mailbox; when it was gone through and nothing has come since, that is all."""
        if self._done.get(mailbox_id) != uid_next:
            self._add(_Opened(owner, mailbox_id, uid_next))

    def _add(self, job: _Read | _Opened) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting[job] = None
            self._news.set()

    async def run(self, draining: asyncio.Event) -> None:
        """Until the drain."""
        over = asyncio.ensure_future(draining.wait())
        while not draining.is_set():
            news = asyncio.ensure_future(self._news.wait())
            await asyncio.wait((over, news), return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            await self.work(draining)

    async def work(self, draining: asyncio.Event | None = None) -> None:
        """All that waits."""
        while self._waiting and not (draining is not None and draining.is_set()):
            job = next(iter(self._waiting))
            del self._waiting[job]
            try:
                if isinstance(job, _Read):
                    await self._keep(job.owner, job.language, job.texts)
                else:
                    await self._fill(job)
            except StoreUnavailable as error:
                self._log.info("texts_not_kept", error=str(error))
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception:
                self._log.exception("texts_not_filled")
        self._news.clear()
        if self._documents is not None:
            await self._documents.close()

    async def _keep(self, owner: AccountRef, language: str, texts: Sequence[BodyText]) -> None:
        await self.store.keep_texts(owner, language, texts)
        metrics.TEXTS_KEPT.inc(len(texts))

    async def _fill(self, job: _Opened) -> None:
        below = LAST_UID
        language = await language_of_account(self._policies, job.owner.account_id)
        while uids := await self.store.without_text(job.owner, job.mailbox_id, below, GROUP):
            below = uids[-1]
            async for stored in self.store.fetch(job.owner, job.mailbox_id, uids, Columns.BODY):
                small = [message for message in stored if self._is_to_read(message)]
                texts = [text for run in runs(small) for text in await self._texts(run)]
                await self._keep(job.owner, language, texts)
        if len(self._done) >= MOST_REMEMBERED:
            self._done.clear()
        self._done[job.mailbox_id] = job.uid_next

    def _is_to_read(self, message: StoredMessage) -> bool:
        if message.size_octets <= LARGEST_OCTETS:
            return True
        has_documents = self._documents is not None and bool(document_parts(message))
        return has_documents and message.size_octets <= LARGEST_WITH_DOCUMENTS

    async def _texts(self, run: Sequence[StoredMessage]) -> list[BodyText]:
        wholes = await read_run(self.store, run)
        texts = []
        for message, whole in zip(run, wholes, strict=True):
            # Sessions come first.
            await asyncio.sleep(0)
            try:
                text = await whole_text(self, message, whole)
                if self._documents is not None and (
                    attached := await document_texts(self, message, self._documents)
                ):
                    text = f"{text}\n{attached}"
            except BodyCorrupt:
                continue
            except StoreUnavailable:
                raise
            except Exception:
                # What somebody has sent is not to end the process of everybody.
                self._log.exception("text_not_read", message_id=message.message_id)
                continue
            texts.append(BodyText(message.message_id, text))
        return texts
