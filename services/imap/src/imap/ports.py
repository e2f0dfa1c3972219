"""What imap needs of the world, beside the mail store."""

from collections.abc import Callable, Iterable
from typing import Protocol

from directoryclient import Identity
from directoryclient.sharing import Person
from mailmodel import AccountRef
from mailproto.sasl.scram_exchange import Offer


class Directory(Protocol):
    """Who may enter."""

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        """Whose login and password these are. Raises directoryclient.Unavailable."""

    async def start_scram(self, login: str, client_address: str) -> Offer:
        """What a SCRAM exchange needs. Raises the same."""

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        """Whom the proof of this credential lets in; "" is a wrong one. Raises the same."""


class People(Protocol):
    """Who is who within a tenant."""

    async def by_id(self, tenant_id: str, account_ids: Iterable[str]) -> dict[str, Person]:
        """Those of the tenant that are there, by id. Raises directoryclient.Unavailable."""

    async def by_address(self, tenant_id: str, address: str) -> Person | None:
        """The account whose primary address this is. Raises the same."""


class Listening(Protocol):
    """A subscription to one account's changes."""

    async def stop(self) -> None:
        """No more calls after this."""


class Changes(Protocol):
    """Who tells that a mailbox changed."""

    @property
    def hears(self) -> bool:
        """Whether changes are heard of now."""

    async def listen(self, account: AccountRef, told: Callable[[int], None]) -> Listening:
        """`told` is called with the mailbox id (0: the list of mailboxes)."""
