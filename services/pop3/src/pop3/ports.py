"""What this service needs of others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from directoryclient import Identity
from mailmodel import AccountRef
from mailproto.pop3.maildrop import Maildrop
from mailproto.sasl.bearer import TokenRefusal
from mailproto.sasl.scram_exchange import Offer


class Unavailable(Exception):
    """We are unwell: the mail store did not answer. Asking again later may help."""


class MessageGone(Exception):
    """The message was removed by another access since the maildrop was opened."""


class Directory(Protocol):
    """Who is who."""

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        """Whose login and password these are. Raises directoryclient.Throttled and Unavailable."""

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        """Whom the token lets in, or why nobody. Raises directoryclient.Throttled and Unavailable."""

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        """Whom the client's certificate (DER) lets in. Raises directoryclient.Throttled and Unavailable."""

    async def start_scram(self, login: str, client_address: str) -> Offer:
        """What a SCRAM exchange needs. Raises the same."""

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        """Whom the proof of this credential lets in; "" is a wrong one. Raises the same."""


class OpenMaildrop(Protocol):
    """One maildrop, locked for one session; its messages are fixed (RFC 1939 §5)."""

    @property
    def contents(self) -> Maildrop:
        """What is in it."""

    def at_hand(self, number: int) -> bytes | None:
        """All of a message, where it can be given at once."""

    def read(self, number: int, first_chunk_octets: int) -> AsyncGenerator[bytes, None]:
        """The octets of a message, in chunks. Raises Unavailable, MessageGone."""

    async def remove(self, numbers: Sequence[int], retrieved: Sequence[int]) -> int:
        """Remove these, all or none, and mark those that were retrieved as \\Seen.

        With them goes what was seen and is older than the account keeps mail for POP3. How many were still there.
        Raises Unavailable: then none is gone.
        """

    async def close(self) -> None:
        """Let go of the lock. Never raises."""


class Maildrops(Protocol):
    """Where maildrops are."""

    async def open(self, account: AccountRef) -> OpenMaildrop | None:
        """The maildrop, or None while another session has it. Raises Unavailable."""
