"""What the mda needs of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from directoryclient.policies import AccountSettings, TenantPolicy
from mailmodel import AccountRef, MailboxInfo
from mailstore import Delivery, Outcome
from spool import BusLetter, SpooledLetter

from mda.core.findings import NO_POLICY, Finding
from mda.core.lists import MailingList
from mda.core.told import Refusal


class ScannerUnavailable(Exception):
    """The scanner is not there; it has not seen the message."""


class ScannerBroke(Exception):
    """The scanner was there, took the message and gave no answer that can be used."""


class Scanner(Protocol):
    """Looks at messages. Bounded in time and size."""

    @property
    def name(self) -> str:
        """One lower-case word, for header fields, metrics and logs."""

    async def scan(self, letter: SpooledLetter, content: bytes) -> Finding:
        """Look at a message; `content` is as received. Raises ScannerUnavailable or ScannerBroke."""

    async def check(self) -> None:
        """Raises ScannerUnavailable while it would not answer."""


class HoldingsUnavailable(Exception):
    """The queue does not say what it needs."""


class Holdings(Protocol):
    """What the mta-queue needs of stored messages."""

    async def of(self, queue_ids: Sequence[str]) -> Mapping[tuple[str, str], bool]:
        """By (queue id, address): True where it is to be sent yet. Raises HoldingsUnavailable."""


class Removals(Protocol):
    """Accounts that were removed for good, whose mail is to follow. Both raise directoryclient.Unavailable."""

    async def due(self) -> Sequence[AccountRef]:
        """Some of them; none where there are none left."""

    async def settle(self, account: AccountRef) -> None:
        """Its mail is gone."""


class Learner(Protocol):
    """Learns from what users take for spam and what not."""

    async def learn(self, content: bytes, *, is_spam: bool) -> bool:
        """False where there is nothing to learn of it. Raises ScannerUnavailable or ScannerBroke."""


class Policies(Protocol):
    """What tenants chose."""

    async def of(self, tenant_id: str) -> TenantPolicy:
        """Raises directoryclient.Unavailable."""


class Choices(Protocol):
    """What accounts chose."""

    async def of_account(self, account_id: str) -> AccountSettings:
        """Raises directoryclient.Unavailable."""


class _Nobody:
    async def of(self, tenant_id: str) -> TenantPolicy:
        return NO_POLICY


NOBODY_CHOSE: Policies = _Nobody()


class Bodies(Protocol):
    """Where message bodies rest."""

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Raises BlobMissing or BlobUnavailable."""


class Tenants(Protocol):
    """Whether anything can be put for a tenant."""

    async def is_sealing(self, tenant_id: str) -> bool:
        """Whether it encrypts. Raises blobstore.TenantGone, BlobUnavailable where nobody knows now."""


class Mailboxes(Protocol):
    """Where messages are filed."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """File all in one transaction. Raises StoreUnavailable."""

    async def settled(self, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
        """Which (queue id, recipient) of these queue ids are filed. Raises StoreUnavailable."""

    async def list_mailboxes(self, account: AccountRef) -> list[MailboxInfo]:
        """All mailboxes of an account. Raises StoreUnavailable."""


class Source(Protocol):
    """Where messages come from."""

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[BusLetter]:
        """What has come, at most `limit`."""


class Receipts(Protocol):
    """Who tells a sender that the message was filed, or not, where the sender wants to know."""

    async def tell(self, letter: SpooledLetter, refusals: Mapping[str, Refusal] = {}) -> None:
        """`refusals` by recipient's address. Raises directoryclient.Unavailable, SpoolUnavailable or OutcomeUnknown: it is to be tried again."""

    async def tell_late(self, letter: SpooledLetter) -> None:
        """That it takes longer than its sender wants. Raises the same."""


class Quarantine(Protocol):
    """Where a message goes that cannot be filed."""

    async def put_aside(self, payload: bytes, reason: str) -> None:
        """Keep it for a human. Raises BlobUnavailable."""

    async def hold(self, letter: SpooledLetter, content: bytes, findings: Sequence[Finding]) -> None:
        """Keep a message that must not reach its recipients, for its tenant. Idempotent. Raises BlobUnavailable."""


class Subscription(Enum):
    """What becomes of somebody who wants to be a member."""

    ASKED = "asked"
    MEMBER = "member"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Bounced:
    """What a bounce came to; no address: it is no member's. `is_suspended`, `is_removed`: by this one."""

    address: str
    days: int = 0
    is_suspended: bool = False
    is_removed: bool = False


class MailingLists(Protocol):
    """Which accounts are mailing lists, and their members. All raise directoryclient.Unavailable."""

    async def among(self, accounts: Sequence[AccountRef]) -> dict[str, MailingList]:
        """Those that are lists, by account."""

    async def page(self, mailing_list: MailingList, page: int) -> tuple[int, list[tuple[str, str]]]:
        """That page of members with their tokens, or the next that has any; none: there are no more."""

    async def members(self, mailing_list: MailingList, addresses: Sequence[str]) -> list[str]:
        """Which of the addresses are members."""

    async def remove(self, mailing_list: MailingList, addresses: Sequence[str]) -> None:
        """They are no members any more."""

    async def subscribe(self, mailing_list: MailingList, address: str) -> tuple[Subscription, str]:
        """It wants to be a member: what is to be said, and the token with which it is asked."""

    async def confirm(self, mailing_list: MailingList, addresses: Sequence[str], token: str) -> str:
        """The one of these that was asked with this token, which is a member now; "": none."""

    async def bounced(self, mailing_list: MailingList, token: str, reply: str, event_id: str) -> Bounced:
        """Mail to the member with this token came back. Of the same event the answer is the same.

        One who `is_removed` is to be removed by who asks.
        """
