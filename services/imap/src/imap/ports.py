"""What imap needs of the world, beside the mail store."""

from collections.abc import Callable
from typing import Protocol

from directoryclient import Identity
from mailmodel import AccountRef


class Directory(Protocol):
    """Who may enter."""

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        """Whose login and password these are. Raises directoryclient.Unavailable."""


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
