"""What the gateway needs of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from directoryclient import Identity, Resolution
from directoryclient.policies import TenantPolicy
from mailproto.sasl import TokenRefusal
from mailproto.sasl.scram_exchange import Offer
from senderauth.dkim import SigningKey
from senderauth.dns import Resolve
from spool import Letter, Speaker

from smtp_gateway.core.blocklists import Standing
from smtp_gateway.core.hooks import Message, Outcome, Peer, Verdict


class Directory(Protocol):
    """Who is who. All raise directoryclient.Unavailable."""

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        """Where mail for these goes, in order."""

    async def authenticate(self, login: str, password: str, client_address: str) -> Identity | None:
        """Whose login and password these are."""

    async def authenticate_token(
        self, login: str, token: str, client_address: str
    ) -> Identity | TokenRefusal:
        """Whom the token lets in, or why nobody."""

    async def authenticate_certificate(
        self, login: str, certificate: bytes, client_address: str
    ) -> Identity | None:
        """Whom the client's certificate (DER) lets in. Raises directoryclient.Throttled and Unavailable."""

    async def start_scram(self, login: str, client_address: str) -> Offer:
        """What a SCRAM exchange needs."""

    async def finish_scram(self, login: str, credential_id: str, client_address: str) -> Identity | None:
        """Whom the proof of this credential lets in; "" is a wrong one."""


class Gate(Protocol):
    """The spool."""

    async def accept(self, letter: Letter) -> None:
        """Durable when it returns. Raises SpoolUnavailable or OutcomeUnknown."""


class Health(Protocol):
    """Whether mail could be accepted now."""

    @property
    def connected(self) -> bool:
        """Whether the bus is there."""


class Questions(Protocol):
    """DNS."""

    def within(self, seconds: float) -> Resolve:
        """For one message: answers until so many seconds from now, and then says at once that there is no answer."""


class KeyRing(Protocol):
    """The keys that sign for our domains."""

    async def of(self, tenant_id: str, domain: str) -> tuple[SigningKey, ...]:
        """All of a domain; none where it is not this tenant's. Raises directoryclient.Unavailable."""


class Policies(Protocol):
    """What tenants chose."""

    async def of(self, tenant_id: str) -> TenantPolicy:
        """Raises directoryclient.Unavailable."""


class Judgement(Enum):
    """What is to become of a message that was looked at. REFUSE: it is spam, INFECTED: it holds a virus; RETRY: somebody must
    look who is not there.
    """

    ACCEPT = "accept"
    REFUSE = "refuse"
    INFECTED = "infected"
    RETRY = "retry"


class JudgeUnavailable(Exception):
    """Nobody could be asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The envelope of a message that is judged for one tenant; `speaker` is None where the door checked nothing."""

    tenant_id: str
    reverse_path: str
    recipients: tuple[str, ...]
    client_address: str
    helo: str
    sender_account_id: str
    speaker: Speaker | None


@dataclass(frozen=True, slots=True)
class Members:
    """Of a mailing list, as far as whoever asks may see them: `addresses` are up to a thousand of `count`."""

    are_shown: bool
    count: int = 0
    addresses: tuple[str, ...] = ()


class Suppressed(Protocol):
    """Addresses that a tenant's mail goes to no more."""

    async def among(self, tenant_id: str, addresses: Sequence[str]) -> Mapping[str, str]:
        """Why, of those that are; of none where nobody can be asked."""


class Expansions(Protocol):
    """Who is behind the addresses of mailing lists."""

    async def members(self, address: str, account_id: str) -> Members | None:
        """For this account; None: it is no list. Raises directoryclient.Unavailable."""


class Judge(Protocol):
    """Who looks into messages."""

    async def judge(self, asked: Asked, content: bytes) -> Judgement:
        """Raises JudgeUnavailable."""


class Ledger(Protocol):
    """Facts that all processes share. All raise eventbus.BusUnavailable."""

    async def get(self, key: str) -> bytes | None:
        """None where there is none."""

    async def put(self, key: str, value: bytes) -> None:
        """In the place of what was there."""

    async def remove(self, key: str) -> None:
        """There is none any more."""


class Blocklists(Protocol):
    """Lists in DNS of addresses that are known, for ill or for good."""

    async def standing(self, host: str) -> Standing:
        """What they say of a client; those that do not answer say nothing."""


class HookSession(Protocol):
    """A hook as one of our sessions asks it. All but `forget` and `close` raise HookFailed."""

    async def connect(self, peer: Peer) -> Verdict:
        """A client is there."""

    async def mail(self, peer: Peer, helo: str, sender: str) -> Verdict:
        """MAIL; `peer` may be known better than before."""

    async def rcpt(self, recipient: str) -> Verdict:
        """RCPT."""

    async def message(self, message: Message) -> Outcome:
        """The whole message."""

    async def forget(self) -> None:
        """The transaction is over, or is not to be."""

    async def close(self) -> None:
        """The session is over."""


class Hook(Protocol):
    """An operator's check."""

    name: str

    def session(self) -> HookSession:
        """For one of our sessions."""
