"""What imap needs of the world, beside the mail store."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol

from directoryclient import Identity
from directoryclient.policies import AccountSettings, TenantPolicy
from directoryclient.sharing import Person
from mailmodel import AccountRef
from mailproto.sasl.bearer import TokenRefusal
from mailproto.sasl.scram_exchange import Offer
from mailstore import BodyText


class Directory(Protocol):
    """Who may enter."""

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        """Whose login and password these are. Raises directoryclient.Unavailable."""

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        """Whom the token lets in, or why nobody. Raises directoryclient.Throttled and Unavailable."""

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        """Whom a client's certificate (DER) lets in; `login` may be "". Raises directoryclient.Throttled, Unavailable."""

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


class Policies(Protocol):
    """What tenants and accounts chose."""

    async def of(self, tenant_id: str) -> TenantPolicy:
        """Raises directoryclient.Unavailable."""

    async def of_account(self, account_id: str) -> AccountSettings:
        """Raises the same."""


class Opened(Protocol):
    """Who hears that a user has opened messages, for return receipts; nobody waits for it."""

    def __call__(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> None:
        """These became \\Seen, in a mailbox of the account's own."""


class Acted(Protocol):
    """Who hears of events for which scripts run (RFC 6785); nobody waits for it."""

    def __call__(self, owner: AccountRef, event: bytes) -> None:
        """Something was done in a mailbox of this account; `event` is JSON (core.acting)."""


class Texts(Protocol):
    """Who puts texts of bodies where searches find them; nobody waits for it."""

    def read(self, owner: AccountRef, language: str, texts: Sequence[BodyText]) -> None:
        """A search has read these."""

    def opened(self, owner: AccountRef, mailbox_id: int, uid_next: int) -> None:
        """Somebody looks into this mailbox."""


class Documents(Protocol):
    """Who reads attached documents."""

    async def text_of(self, document: bytes) -> str:
        """Its text; "" where it has none, or none that can be read."""

    async def close(self) -> None:
        """There are none for now."""


class LongText(Protocol):
    """A message that comes (`write`) or has come, and is too long to be held."""

    octets: int
    has_nul: bool

    @property
    def digest(self) -> bytes:
        """SHA-256 of it."""

    def write(self, data: bytes) -> None:
        """The next octets."""

    def is_kept(self) -> bool:
        """Whether there was room for all of it; to be asked before it is used."""

    def pieces(self) -> Iterator[bytes]:
        """From its beginning."""

    def file(self) -> IO[bytes]:
        """At its beginning."""

    def octets_of_file(self) -> AbstractContextManager[Any]:
        """Something like `bytes` with all of it, of which only what is looked at is in memory."""

    def close(self) -> None:
        """It is needed no more."""


class Listening(Protocol):
    """A subscription to one account's changes."""

    async def stop(self) -> None:
        """No more calls after this."""


class Changes(Protocol):
    """Who tells that a mailbox changed."""

    @property
    def hears(self) -> bool:
        """Whether changes are heard of now."""

    async def listen(
        self,
        account: AccountRef,
        told: Callable[[int, int], None],
        renewed: Callable[[int], None] | None = None,
    ) -> Listening:
        """`told` is called with the mailbox id (0: the list of mailboxes) and its MODSEQ after the change (0: not said),
        `renewed` with the id of a mailbox whose key the account has renewed (0: of all).
        """
