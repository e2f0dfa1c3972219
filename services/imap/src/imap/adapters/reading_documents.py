"""Asking a process of its own for the texts of documents (`imap.documents`): what breaks it breaks nobody else.

It is started when there is a document, and ended when there are none for now. One that takes too long, or dies of what it
reads, is ended, and that document has no text; the next one has a new process.
"""

import asyncio
import contextlib
import sys

from servicekit import logs

from imap import metrics
from imap.documents import LONGEST_OCTETS, PROCESSOR_SECONDS

LOG = logs.logger("imap.documents")
# More than the process may compute: it may also have to wait for its turn.
ANSWER_SECONDS = 4.0 * PROCESSOR_SECONDS
MOST_ANSWER_OCTETS = 4 * 1024 * 1024


class Documents:
    """One process at most. Satisfies ports.Documents; one question at a time."""

    def __init__(self, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.command: tuple[str, ...] = (sys.executable, "-I", "-m", "imap.documents")
        self._answer_seconds = answer_seconds
        self._process: asyncio.subprocess.Process | None = None

    async def text_of(self, document: bytes) -> str:
        """Its text; "" where it has none, is too long, or cannot be read."""
        if not document or len(document) > LONGEST_OCTETS:
            return ""
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await self._ask(document)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await self.close()
            metrics.DOCUMENTS.labels("given_up").inc()
            LOG.info("document_given_up", octets=len(document), reason=type(error).__name__)
            return ""
        except BaseException:
            # Half a question is no question.
            await self.close()
            raise
        metrics.DOCUMENTS.labels("read" if answer else "nothing").inc()
        return answer.decode("utf-8", "replace")

    async def _ask(self, document: bytes) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                # None of our settings, which name the places of secrets.
                env={},
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(document).to_bytes(4, "big") + document)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(4), "big")
        if length > MOST_ANSWER_OCTETS:
            raise asyncio.IncompleteReadError(b"", length)
        return await process.stdout.readexactly(length)

    async def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
