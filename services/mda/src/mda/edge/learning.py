"""The spam scanner learns from what users do: into Junk is spam, out of it (not into the trash) is not.

IMAP tells it (`mailbox.sorted.<account>`); each process hears it, and the one that notes it first learns. What is
learned is the message as it came, without the fields that we have put before it: those would teach the scanner itself.
What comes while it is away, or faster than it learns, is forgotten: there will be more.
"""

import asyncio
import json
from dataclasses import dataclass

from blobstore import BlobMissing, BlobUnavailable
from mailmodel import AccountRef
from mailstore import BodyCorrupt, Columns, MailStore, SortedAs, StoreUnavailable
from servicekit import logs

from mda import metrics
from mda.core.sieving import memory_handle
from mda.ports import Learner, ScannerBroke, ScannerUnavailable

LOG = logs.logger("mda.learning")
MOST_WAITING = 2_000
LARGEST_OCTETS = 1024 * 1024
# A message that is moved to and fro is not learned each time.
NOTED_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Lesson:
    """One message that its owner has sorted."""

    account: AccountRef
    mailbox_id: int
    uid: int
    sorted_as: SortedAs


class Learning:
    """What is still to be learned."""

    def __init__(self, learner: Learner, mailboxes: MailStore, draining: asyncio.Event) -> None:
        self._learner = learner
        self._mailboxes = mailboxes
        self._draining = draining
        self._lessons: asyncio.Queue[Lesson] = asyncio.Queue(MOST_WAITING)

    def heard(self, _subject: str, payload: bytes) -> None:
        """Somebody has sorted messages."""
        try:
            told = json.loads(payload)
            account = AccountRef(str(told["tenant_id"]), str(told["account_id"]))
            lessons = [
                Lesson(account, int(told["mailbox_id"]), int(uid), SortedAs(told["as"]))
                for uid in told["uids"]
            ]
        except (ValueError, KeyError, TypeError):
            return
        for lesson in lessons:
            if self._lessons.full():
                return
            self._lessons.put_nowait(lesson)

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            try:
                async with asyncio.timeout(1.0):
                    lesson = await self._lessons.get()
            except TimeoutError:
                continue
            try:
                await self.learn(lesson)
            except (StoreUnavailable, BlobUnavailable, BlobMissing, BodyCorrupt) as error:
                LOG.warning("lesson_lost", error=str(error))
            except (ScannerUnavailable, ScannerBroke) as error:
                LOG.warning("lesson_not_learned", error=str(error))
            except Exception:
                # Of a message that somebody sent: it must not end the process that files everybody's mail.
                LOG.exception("lesson_not_learned")

    async def learn(self, lesson: Lesson) -> bool:
        """False where there was nothing to learn."""
        messages = [
            each
            async for part in self._mailboxes.fetch(
                lesson.account, lesson.mailbox_id, [lesson.uid], Columns.BODY
            )
            for each in part
        ]
        if not messages or messages[0].size_octets > LARGEST_OCTETS:
            return False
        [message] = messages
        handle = memory_handle("learned", message.message_id, lesson.sorted_as.value)
        if not await self._mailboxes.scripts.remember(lesson.account, handle, NOTED_SECONDS):
            return False
        start = len(message.prefix)
        content = await self._mailboxes.read(message, start, message.size_octets - start)
        learned = await self._learner.learn(content, is_spam=lesson.sorted_as is SortedAs.SPAM)
        if learned:
            metrics.LEARNED.labels(lesson.sorted_as.value).inc()
            LOG.info(
                "message_learned", account_id=lesson.account.account_id, sorted_as=lesson.sorted_as.value
            )
        return learned
