"""What the mda needs of the world."""

from collections.abc import Sequence
from typing import Protocol

from mailstore import Delivery
from spool import SpooledLetter


class Mailboxes(Protocol):
    """Where messages are filed."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """File all in one transaction; False where one was filed before. Raises StoreUnavailable."""


class Item(Protocol):
    """A message of the bus, to be settled once."""

    @property
    def payload(self) -> bytes:
        """A mailwire.spool.v1.SpooledMessage."""

    @property
    def deliveries(self) -> int:
        """How often it came, this time included."""

    async def acknowledge(self) -> None:
        """It is settled."""

    async def retry_later(self, delay_seconds: float) -> None:
        """It is to come again."""


class Source(Protocol):
    """Where messages come from."""

    async def fetch(self, limit: int, wait_seconds: float) -> Sequence[Item]:
        """What has come, at most `limit`."""


class Receipts(Protocol):
    """Who tells a sender that the message was filed, where the sender wants to know."""

    async def tell(self, letter: SpooledLetter) -> None:
        """Raises directoryclient.Unavailable, SpoolUnavailable or OutcomeUnknown: it is to be tried again."""


class Quarantine(Protocol):
    """Where a message goes that cannot be filed."""

    async def put_aside(self, payload: bytes, reason: str) -> None:
        """Keep it for a human. Raises BlobUnavailable."""
