"""What surrounds the mda, in memory: a bus, mailboxes, bodies, a quarantine, a gate that is told nothing."""

import asyncio
import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypedDict, Unpack

from blobstore import BlobMissing, BlobShredded, BlobUnavailable, BodyReference, KeysUnavailable, TenantGone
from directoryclient.policies import TenantPolicy
from mailmodel import AccountRef, MailboxInfo
from mailmsg.facts import examine
from mailstore import Delivery, NewMessage, Outcome, StoreUnavailable
from mda.core.findings import Finding, Verdict, WhenUnscanned
from mda.core.told import Refusal
from mda.edge.filing import Filing
from mda.edge.reporting import Reporting
from mda.edge.screening import Screening
from mda.ports import Scanner
from spool import Envelope, EnvelopeRecipient, Handling, Source, SpooledLetter
from spool.codec import encode, facts_to_wire

_numbers = itertools.count(1)
TENANT = "11111111-0000-0000-0000-000000000001"


class Wishes(TypedDict, total=False):
    """What a test wants of an envelope."""

    queue_id: str
    accounts: Sequence[str]
    handling: Handling
    tenant_id: str


def envelope_of(
    content: bytes,
    *,
    queue_id: str = "",
    accounts: Sequence[str] = ("bob",),
    handling: Handling = Handling.USUAL,
    tenant_id: str = TENANT,
) -> Envelope:
    return Envelope(
        queue_id=queue_id or f"01J{next(_numbers):023d}",
        tenant_id=tenant_id,
        reverse_path="eve@peer.invalid",
        recipients=tuple(
            EnvelopeRecipient(
                f"{name.partition('+')[0]}@example.test",
                f"{name}@example.test",
                f"id-{name.partition('+')[0]}",
            )
            for name in accounts
        ),
        arrived_at=datetime(2026, 11, 21, tzinfo=UTC),
        digest=hashlib.sha256(content).digest(),
        size_octets=len(content),
        trace_prefix=b"Received: from mx.peer.invalid ([192.0.2.7]) by mail.example.test;\r\n"
        b"\tSat, 21 Nov 2026 08:00:00 +0000\r\n",
        source=Source.MX,
        helo="mx.peer.invalid",
        client_address="192.0.2.7",
        sender_account_id="",
        smtputf8=False,
        eight_bit=False,
        handling=handling,
    )


def message_of(delivery: Delivery) -> NewMessage:
    """What was filed there; it is none where a delivery is only settled."""
    assert delivery.new is not None
    return delivery.new


def letter_of(content: bytes, **wishes: Unpack[Wishes]) -> SpooledLetter:
    envelope = envelope_of(content, **wishes)
    body = BodyReference(f"mail/{envelope.queue_id}", 0, len(content), envelope.digest)
    return SpooledLetter(envelope, body, examine(content))


class BusItem:
    """One message of the bus. What is to come again comes again at once."""

    def __init__(self, world: "World", payload: bytes) -> None:
        self.payload = payload
        self.deliveries = 0
        self.fate: list[str] = []
        self._world = world

    async def acknowledge(self) -> None:
        self.fate.append("acknowledged")
        self._world.open_items -= 1

    async def retry_later(self, delay_seconds: float) -> None:
        self.fate.append("again")
        self._world.waiting.append(self)

    async def keep_working(self) -> None:
        self.fate.append("working")

    @property
    def outcome(self) -> list[str]:
        """Without the signs of life."""
        return [word for word in self.fate if word != "working"]


class World:
    """Everything that Filing uses."""

    def __init__(self) -> None:
        self.waiting: deque[BusItem] = deque()
        self.open_items = 0
        self.bodies: dict[str, bytes] = {}
        self.bodies_away = False
        self.bodies_shredded = False
        self.bodies_read = 0
        self.batches: list[list[Delivery]] = []
        self.junk_name: str | None = "Junk"
        self.held: dict[str, tuple[bytes, tuple[Finding, ...]]] = {}
        self.put_aside_reasons: list[str] = []
        self.holds_away = 0
        # Tenants that were removed, and tenants whose keys are away.
        self.gone: set[str] = set()
        self.keyless: set[str] = set()
        self.full: set[str] = set()
        self.folders: list[str] = []
        self.policy = TenantPolicy()
        self.refused: list[tuple[str, str]] = []
        self.told_late: list[str] = []
        self.draining = asyncio.Event()
        # Called before each fetch: a test's hand on the world between two batches.
        self.between: Callable[[], None] = lambda: None

    @property
    def deliveries(self) -> list[Delivery]:
        return [delivery for batch in self.batches for delivery in batch]

    def send(self, content: bytes, **wishes: Unpack[Wishes]) -> BusItem:
        """Put one message on the bus."""
        envelope = envelope_of(content, **wishes)
        key = f"mail/{envelope.queue_id}"
        self.bodies[key] = content
        body = BodyReference(key, 0, len(content), envelope.digest)
        item = BusItem(self, encode(envelope, envelope.recipients, body, facts_to_wire(examine(content))))
        self.waiting.append(item)
        self.open_items += 1
        return item

    async def file(
        self,
        *scanners: Scanner,
        when_unscanned: WhenUnscanned = WhenUnscanned.WAIT,
        scans_at_once: int = 8,
        hold_seconds: float = 5.0,
        pause_seconds: float = 0.0,
        rounds: int = 50,
        reporting: Reporting | None = None,
    ) -> None:
        """Until everything is settled, or `rounds` batches are over."""
        self._rounds = rounds
        screening = None
        if scanners:
            screening = Screening(
                scanners,
                self,
                when_unscanned=when_unscanned,
                scans_at_once=scans_at_once,
                tries=3,
                pause_seconds=pause_seconds,
                policies=self,
            )
        filing = Filing(
            *(self, self, self, self, self.draining),
            batch_messages=64,
            retry_seconds=0.0,
            poison_tries=3,
            screening=screening,
            hold_seconds=hold_seconds,
            policies=self,
            reporting=reporting,
            tenants=self,
        )
        await filing.run()

    # -- the directory

    async def of(self, tenant_id: str) -> TenantPolicy:
        return self.policy

    # -- the bus

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[BusItem]:
        await asyncio.sleep(0)
        self.between()
        self._rounds -= 1
        if not self.open_items or self._rounds < 0:
            self.draining.set()
            return []
        batch = [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]
        for item in batch:
            item.deliveries += 1
        return batch

    async def is_sealing(self, tenant_id: str) -> bool:
        if tenant_id in self.gone:
            raise TenantGone("there is no such tenant")
        if tenant_id in self.keyless:
            raise KeysUnavailable("away")
        return False

    # -- mailboxes, receipts

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        if any(each.account.tenant_id in self.gone | self.keyless for each in deliveries):
            raise StoreUnavailable("there is no such tenant, or its keys are away")
        self.batches.append(list(deliveries))
        return [
            Outcome.OVER_QUOTA if each.account.account_id in self.full and each.new else Outcome.FILED
            for each in deliveries
        ]

    async def list_mailboxes(self, account: AccountRef) -> list[MailboxInfo]:
        names = [("INBOX", "")] + ([(self.junk_name, "\\Junk")] if self.junk_name else [])
        names += [(name, "") for name in self.folders]
        return [
            MailboxInfo(number, name, 1, 1, 1, 0, 0, 0, frozenset({use} if use else ()), True)
            for number, (name, use) in enumerate(names, 1)
        ]

    async def tell(self, letter: SpooledLetter, refusals: Mapping[str, Refusal] = {}) -> None:
        self.refused += [(address, refusal.status) for address, refusal in refusals.items()]

    async def settled(self, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
        return {(each.queue_id, each.recipient) for each in self.deliveries if each.queue_id in queue_ids}

    async def tell_late(self, letter: SpooledLetter) -> None:
        self.told_late.append(letter.envelope.queue_id)

    # -- bodies, quarantine

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        if self.bodies_away:
            raise BlobUnavailable("away")
        if self.bodies_shredded:
            raise BlobShredded(key)
        self.bodies_read += 1
        if key not in self.bodies:
            raise BlobMissing(key)
        return self.bodies[key][offset : offset + length]

    async def put_aside(self, payload: bytes, reason: str) -> None:
        self.put_aside_reasons.append(reason)

    async def hold(self, letter: SpooledLetter, content: bytes, findings: Sequence[Finding]) -> None:
        if self.holds_away:
            self.holds_away -= 1
            raise BlobUnavailable("away")
        await self.is_sealing(letter.envelope.tenant_id)
        self.held[letter.envelope.queue_id] = (content, tuple(findings))


class Says:
    """A scanner that answers by what it finds in the message; `before` may raise or wait."""

    def __init__(self, name: str = "fake", **words: Verdict) -> None:
        self.name = name
        self.seen: list[str] = []
        self._words = {word.encode(): verdict for word, verdict in words.items()}

    async def before(self, letter: SpooledLetter, content: bytes) -> None:
        return

    async def scan(self, letter: SpooledLetter, content: bytes) -> Finding:
        self.seen.append(letter.envelope.queue_id)
        await self.before(letter, content)
        for word, verdict in self._words.items():
            if word in content:
                return Finding(self.name, verdict, "it-says-so")
        return Finding(self.name, Verdict.CLEAN)

    async def check(self) -> None:
        return
