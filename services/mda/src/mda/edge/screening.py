"""Asking the scanners, for one message at a time and several messages at once.

The body is read from S3 only here. What follows from the findings is the tenant's
choice. A scanner that does not answer makes the message wait (or be delivered
with a mark, where that is the setting, or the tenant's choice); it is not
asked again, and no body is read, until a pause is over.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from blobstore import BlobMissing, BlobShredded, BlobUnavailable
from directoryclient import Unavailable
from eventbus.subjects import MAIL_JUDGED
from servicekit import logs
from spool import Source, SpooledLetter

from mda import metrics
from mda.core.findings import (
    Disposition,
    Finding,
    Verdict,
    WhenUnscanned,
    against_client,
    decide,
    judged,
    refusal,
)
from mda.core.standing import Lists, Standing
from mda.core.suspects import Suspects
from mda.edge.bodies import whole
from mda.ports import NOBODY_CHOSE, Bodies, Policies, Scanner, ScannerBroke, ScannerUnavailable

# Those that are larger go by themselves, few at once: they hold up no small ones, and memory stays bounded.
LARGE_OCTETS = 8 * 1024 * 1024
LARGE_AT_ONCE = 2
# Between the judgement and the filing of what was accepted then.
REMEMBERED_SECONDS = 600.0
REMEMBERED_MOST = 10_000
UNWANTED = (Disposition.JUNK, Disposition.QUARANTINE)
Remembered = tuple[bytes, str, str, str]


def _key(letter: SpooledLetter) -> Remembered:
    envelope = letter.envelope
    return envelope.digest, envelope.tenant_id, envelope.reverse_path, envelope.client_address


@dataclass(frozen=True, slots=True)
class Screened:
    """What the scanners say together. `content` is kept for the quarantine only; `problem` says why it waits."""

    disposition: Disposition
    standing: Standing = Standing.UNKNOWN
    findings: tuple[Finding, ...] = ()
    content: bytes = b""
    problem: str = ""


# The key of its tenant was deleted: nobody can read it, so nobody is harmed by it, and it is not put aside for a human.
UNSEEN = Screened(Disposition.FILE)


class Desk:
    """One scanner, and what is known of how it does."""

    def __init__(
        self, scanner: Scanner, *, tries: int, pause_seconds: float, clock: Callable[[], float]
    ) -> None:
        self.name = scanner.name
        self._scanner = scanner
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._suspects = Suspects(tries)
        self._alone = asyncio.Lock()
        self._up = True
        self._paused_until = float("-inf")
        self._log = logs.logger("mda.screening")
        metrics.SCANNER_UP.labels(self.name).set(1)

    @property
    def is_paused(self) -> bool:
        """It did not answer a moment ago."""
        return self._clock() < self._paused_until

    def suspects(self, letter: SpooledLetter) -> bool:
        """Whether the scanner broke while it had this message."""
        return self._suspects.is_suspect(letter.envelope.queue_id)

    async def look(self, letter: SpooledLetter, content: bytes) -> Finding:
        """What it finds; UNSCANNED where it does not answer."""
        started = time.perf_counter()
        if self.suspects(letter):
            async with self._alone:
                finding = await self._ask(letter, content)
        else:
            finding = await self._ask(letter, content)
        metrics.SCANS.labels(self.name, finding.verdict.value).inc()
        metrics.SCAN_SECONDS.labels(self.name).observe(time.perf_counter() - started)
        return finding

    async def _ask(self, letter: SpooledLetter, content: bytes) -> Finding:
        queue_id = letter.envelope.queue_id
        if self.is_paused:
            return Finding(self.name, Verdict.UNSCANNED, "down")
        try:
            finding = await self._scanner.scan(letter, content)
        except ScannerUnavailable as error:
            self._lost(str(error))
            return Finding(self.name, Verdict.UNSCANNED, "down")
        except ScannerBroke as error:
            self._log.warning("scan_broken_off", scanner=self.name, queue_id=queue_id, error=str(error))
            await self._look_whether_it_is_there()
            return self._broke(queue_id)
        except Exception:
            # A bug of ours is no reason to hold up other mail, nor to let this one pass.
            self._log.exception("scan_failed", scanner=self.name, queue_id=queue_id)
            return self._broke(queue_id)
        self._suspects.answered(queue_id)
        if not self._up:
            self._up = True
            metrics.SCANNER_UP.labels(self.name).set(1)
            self._log.info("scanner_found", scanner=self.name)
        return finding

    def _lost(self, reason: str) -> None:
        self._paused_until = self._clock() + self._pause_seconds
        if self._up:
            self._up = False
            metrics.SCANNER_UP.labels(self.name).set(0)
            self._log.warning("scanner_lost", scanner=self.name, error=reason)

    async def _look_whether_it_is_there(self) -> None:
        """One that hangs would keep every message waiting for as long as a scan may take."""
        try:
            await self._scanner.check()
        except ScannerUnavailable as error:
            self._lost(str(error))

    def _broke(self, queue_id: str) -> Finding:
        if self._suspects.broke(queue_id):
            return Finding(self.name, Verdict.UNSCANNABLE, "breaks-the-scanner")
        return Finding(self.name, Verdict.UNSCANNED, "broken-off")


class Screening:
    """All scanners of this process."""

    def __init__(
        self,
        scanners: Sequence[Scanner],
        bodies: Bodies,
        *,
        when_unscanned: WhenUnscanned,
        scans_at_once: int,
        tries: int,
        pause_seconds: float,
        policies: Policies = NOBODY_CHOSE,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._tell = tell
        self._policies = policies
        self._lists = Lists()
        self._clock = clock
        # What was found before a message was accepted.
        self._remembered: OrderedDict[Remembered, tuple[float, tuple[Finding, ...]]] = OrderedDict()
        self._desks = [
            Desk(scanner, tries=tries, pause_seconds=pause_seconds, clock=clock) for scanner in scanners
        ]
        self._bodies = bodies
        self._when_unscanned = when_unscanned
        self._room = asyncio.Semaphore(scans_at_once)
        self._alone = asyncio.Lock()
        self._room_for_large = asyncio.Semaphore(LARGE_AT_ONCE)

    @property
    def is_down(self) -> bool:
        """Whether a scanner did not answer a moment ago."""
        return any(desk.is_paused for desk in self._desks)

    async def screen(self, letter: SpooledLetter) -> Screened:
        """Never raises for what scanners, storage and the directory do."""
        try:
            policy = await self._policies.of(letter.envelope.tenant_id)
        except Unavailable as error:
            return Screened(Disposition.WAIT, problem=str(error))
        when_unscanned = self._when_unscanned.chosen(policy.scanner_down)
        # Those that are scanned one by one wait for that out here: in there they would take the places of all others.
        suspected = any(desk.suspects(letter) for desk in self._desks)
        async with (
            self._alone if suspected else nullcontext(),
            self._room if letter.body.length < LARGE_OCTETS else self._room_for_large,
        ):
            if when_unscanned is WhenUnscanned.WAIT and self.is_down:
                return Screened(Disposition.WAIT, problem="a scanner is down")
            known = self._recall(letter)
            content = b""
            if known is None and not all(desk.is_paused for desk in self._desks):
                try:
                    content = await whole(self._bodies, letter.body)
                except BlobUnavailable as error:
                    return Screened(Disposition.WAIT, problem=str(error))
                except BlobShredded:
                    return UNSEEN
                except BlobMissing as error:
                    return Screened(Disposition.UNREADABLE, problem=f"the body cannot be read: {error}")
            findings = judged(known or await self._ask(letter, content), policy)
        standing = self._lists.standing(letter, policy)
        disposition = decide(findings, when_unscanned, policy, standing)
        self._tell_doors(letter, findings, disposition)
        if disposition is Disposition.QUARANTINE and known is not None:
            try:
                content = await whole(self._bodies, letter.body)
            except BlobShredded:
                return UNSEEN
            except (BlobUnavailable, BlobMissing) as error:
                return Screened(Disposition.WAIT, problem=str(error))
        return Screened(
            disposition,
            standing,
            findings,
            content if disposition is Disposition.QUARANTINE else b"",
            "a scanner did not answer" if disposition is Disposition.WAIT else "",
        )

    async def judge(self, letter: SpooledLetter, content: bytes) -> tuple[Disposition, str]:
        """Of a message that is not accepted yet: where it would go, and why it is to be refused ("": it is not).

        Raises directoryclient.Unavailable.
        """
        policy = await self._policies.of(letter.envelope.tenant_id)
        async with self._room if letter.body.length < LARGE_OCTETS else self._room_for_large:
            found = await self._ask(letter, content)
        if not any(finding.verdict is Verdict.UNSCANNED for finding in found):
            self._remember(letter, found)
        findings, standing = judged(found, policy), self._lists.standing(letter, policy)
        when_unscanned = self._when_unscanned.chosen(policy.scanner_down)
        return decide(findings, when_unscanned, policy, standing), refusal(findings, policy, standing)

    def _tell_doors(
        self, letter: SpooledLetter, findings: Sequence[Finding], disposition: Disposition
    ) -> None:
        """What strangers brought is held against them, where it is not wanted."""
        envelope = letter.envelope
        found = against_client(findings) if disposition in UNWANTED else ""
        if self._tell is not None and found and envelope.source is Source.MX and envelope.client_address:
            told = {"address": envelope.client_address, "verdict": found}
            self._tell(MAIL_JUDGED, json.dumps(told).encode())

    def _remember(self, letter: SpooledLetter, findings: tuple[Finding, ...]) -> None:
        while len(self._remembered) >= REMEMBERED_MOST:
            self._remembered.popitem(last=False)
        self._remembered[_key(letter)] = (self._clock() + REMEMBERED_SECONDS, findings)

    def _recall(self, letter: SpooledLetter) -> tuple[Finding, ...] | None:
        until, findings = self._remembered.get(_key(letter), (0.0, ()))
        return findings if findings and self._clock() < until else None

    async def _ask(self, letter: SpooledLetter, content: bytes) -> tuple[Finding, ...]:
        if len(self._desks) == 1:
            return (await self._desks[0].look(letter, content),)
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(desk.look(letter, content)) for desk in self._desks]
        return tuple(task.result() for task in asked)
