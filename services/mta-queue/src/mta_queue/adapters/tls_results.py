"""What TLS with other systems came to, counted for their reports (RFC 8460 §3): by day, policy, host and kind of result.

Counted here and written together now and then: what a process that is killed had not written yet is missing in a report,
and nowhere else.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol

from pgkit import OPERATOR, DatabaseUnavailable, Pool, transaction
from servicekit import logs

from mta_queue.core.tls import Fault, Published

LOG = logs.logger("mta_queue.tls_results")
FLUSH_SECONDS = 15.0
# Different rows between two writings; what is beyond them is not counted.
MOST_ROWS = 20_000
DETAIL_MOST = 200


class Results(Protocol):
    """Who counts."""

    def add(
        self,
        published: Published,
        fault: Fault | None,
        host: str,
        address: str = "",
        *,
        local_address: str = "",
        detail: str = "",
    ) -> None:
        """One session; without a fault it was as it should be."""


class NoResults:
    """Nobody counts."""

    def add(
        self,
        published: Published,
        fault: Fault | None,
        host: str,
        address: str = "",
        *,
        local_address: str = "",
        detail: str = "",
    ) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Row:
    """What sessions have in common."""

    day: date
    published: Published
    fault: str
    host: str
    address: str
    local_address: str
    detail: str

    @property
    def digest(self) -> bytes:
        """The key of its row."""
        published = self.published
        words = (
            published.kind.value,
            *published.text,
            "",
            *published.hosts,
            "",
            self.fault,
            self.host,
            self.address,
            self.local_address,
            self.detail,
        )
        return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).digest()


class TlsResults:
    """Satisfies Results."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._pool = pool
        self._clock = clock
        self._counted: Counter[Row] = Counter()

    def add(
        self,
        published: Published,
        fault: Fault | None,
        host: str,
        address: str = "",
        *,
        local_address: str = "",
        detail: str = "",
    ) -> None:
        if len(self._counted) >= MOST_ROWS:
            return
        # What went well is told by policy only (RFC 8460 §4.4): a sum.
        row = Row(self._clock().date(), published, "", "", "", "", "")
        if fault is not None:
            row = Row(
                self._clock().date(), published, fault.value, host, address, local_address, _line(detail)
            )
        self._counted[row] += 1

    async def flush(self) -> None:
        """Write what was counted. Raises DatabaseUnavailable; it is kept for the next time then."""
        counted, self._counted = self._counted, Counter()
        if not counted:
            return
        # In one order, so that two processes never wait for each other.
        rows = sorted(
            counted.items(), key=lambda item: (item[0].day, item[0].published.domain, item[0].digest)
        )
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await connection.executemany(
                    """INSERT INTO tls_result AS kept (day, domain, digest, policy_kind, policy_text, policy_hosts, fault,
                                                       host, address, local_address, detail, sessions)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                       ON CONFLICT (day, domain, digest) DO UPDATE SET sessions = kept.sessions + excluded.sessions""",
                    [
                        (
                            row.day,
                            row.published.domain,
                            row.digest,
                            row.published.kind.value,
                            list(row.published.text),
                            list(row.published.hosts),
                            row.fault,
                            row.host,
                            row.address,
                            row.local_address,
                            row.detail,
                            sessions,
                        )
                        for row, sessions in rows
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
                LOG.warning("tls_results_kept_back", error=str(error))


def _line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())[:DETAIL_MOST]
