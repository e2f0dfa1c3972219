"""What messages came to by DMARC, as the gateways tell it, counted for the reports: by day, policy and kind of result.

Each fact comes to one process. What is told while none listens, and what a process that is killed had not written yet, is
missing in a report, and nowhere else.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pgkit import OPERATOR, DatabaseUnavailable, Pool, transaction
from servicekit import logs

LOG = logs.logger("mta_queue.dmarc_results")
FLUSH_SECONDS = 15.0
MOST_ROWS = 20_000
PAYLOAD_MOST = 16_384
# NUL, and halves of characters. One such row would be the end of the batch, and of the process that writes it.
UNFIT = re.compile(r"\\u(?:0000|d[89a-f])")


@dataclass(frozen=True, slots=True)
class Told:
    """What messages have in common; the two are canonical JSON."""

    day: date
    domain: str
    published: str
    row: str

    @property
    def digest(self) -> bytes:
        """The key of its row."""
        return hashlib.sha256(f"{self.published}\n{self.row}".encode()).digest()


class DmarcResults:
    """`told` is what the bus calls."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._pool = pool
        self._clock = clock
        self._counted: Counter[Told] = Counter()

    def told(self, _subject: str, payload: bytes) -> None:
        """One message."""
        if len(self._counted) >= MOST_ROWS or len(payload) > PAYLOAD_MOST:
            return
        try:
            found = json.loads(payload)
            domain = found["published"]["domain"]
            canonical = [json.dumps(found[name], sort_keys=True) for name in ("published", "row")]
        except (ValueError, TypeError, KeyError) as error:
            LOG.error("dmarc_result_unreadable", error=str(error))
            return
        if UNFIT.search(canonical[0] + canonical[1]):
            LOG.error("dmarc_result_unreadable", error="characters that no row holds")
            return
        self._counted[Told(self._clock().date(), str(domain), *canonical)] += 1

    async def flush(self) -> None:
        """Write what was counted. Raises DatabaseUnavailable; it is kept for the next time then."""
        counted, self._counted = self._counted, Counter()
        if not counted:
            return
        rows = sorted(counted.items(), key=lambda item: (item[0].day, item[0].domain, item[0].digest))
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await connection.executemany(
                    """INSERT INTO dmarc_result AS kept (day, domain, digest, published, "row", messages)
                       VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6)
                       ON CONFLICT (day, domain, digest) DO UPDATE SET messages = kept.messages + excluded.messages""",
                    [
                        (each.day, each.domain, each.digest, each.published, each.row, messages)
                        for each, messages in rows
                    ],
                )
        except DatabaseUnavailable:
            self._counted.update(counted)
            raise

    async def run(self, draining: asyncio.Event) -> None:
        """Until the drain."""
        while not draining.is_set():
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await draining.wait()
            except TimeoutError:
                pass
            try:
                await self.flush()
            except DatabaseUnavailable as error:
                LOG.warning("dmarc_results_kept_back", error=str(error))
