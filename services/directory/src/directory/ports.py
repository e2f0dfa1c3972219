"""What the directory needs of the world, and the records that cross that line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from directory.core.app_passwords import AppCredential
from directory.core.guests import Guest
from directory.core.limits import Breadth, Standing
from directory.core.resolving import Found
from directory.core.scram import ScramKeys, ScramMaterial


@dataclass(frozen=True, slots=True)
class Login:
    """What Authenticate needs of an account.

    `verifier` is None where it has no password. `app` is the app password that was given, if it is one.
    """

    account_id: str
    tenant_id: str
    address: str
    store: str
    verifier: str | None
    suspended: bool
    app: AppCredential | None = None
    scram_salt: bytes = b""
    # Of the password that `verifier` is of.
    scram: ScramKeys | None = None
    # The password alone lets it in nowhere.
    has_second_factor: bool = False
    # Addresses of others that it may send for.
    may_send_as: tuple[str, ...] = ()
    may_send_on_behalf_of: tuple[str, ...] = ()
    # The credential that was asked for by its id is the account's password.
    is_password: bool = False
    # When `verifier`'s password was set.
    password_set_at: datetime | None = None
    # core/roles.py
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantRecord:
    tenant_id: str
    name: str
    display_name: str
    suspended: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DomainRecord:
    tenant_id: str
    tenant_name: str
    name: str
    suspended: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountRecord:
    account_id: str
    tenant_id: str
    tenant_name: str
    address: str
    display_name: str
    suspended: bool
    store: str
    created_at: datetime
    scram_salt: bytes = field(default=b"", repr=False)
    # Nobody's own: it has no password.
    shared: bool = False
    # core/roles.py
    roles: tuple[str, ...] = ()
    # Where it is suspended: by whom, at least one of them.
    suspended_by_operator: bool = False
    suspended_by_tenant: bool = False


@dataclass(frozen=True, slots=True)
class Suspending:
    """What is to be said of who suspends an account; None: it stays."""

    by_operator: bool | None = None
    by_tenant: bool | None = None


@dataclass(frozen=True, slots=True)
class AliasRecord:
    tenant_id: str
    tenant_name: str
    address: str
    targets: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AppPasswordRecord:
    """An app password without what would let anybody in. `expires_at` is None where it does not expire."""

    app_password_id: str
    account_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_service: str
    last_used_address: str


@dataclass(frozen=True, slots=True)
class SignInRecord:
    """That somebody came in or tried, `times` times within an hour.

    `outcome`: granted, denied, throttled, or challenged where the second factor was still to come.
    """

    account_id: str
    service: str
    address: str
    outcome: str
    first_at: datetime
    last_at: datetime
    times: int
    new_device: bool = False
    suspicious: bool = False


@dataclass(frozen=True, slots=True)
class Attempted:
    """Who is being tried from where. `subject` stands for the login, also for one that does not exist.

    `prefix` is "" where the client's address is not known; where `counts_prefix` is False only the pair counts.
    """

    subject: str
    prefix: str
    counts_prefix: bool
    tenant_id: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """A tally that is not forgotten. `address` is "" for a prefix, and for logins that do not exist."""

    key: tuple[str, str, str]
    breadth: Breadth
    account_id: str
    address: str
    prefix: str
    failures: int
    failed_at: datetime
    blocked_until: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """What listeners must forget."""

    tenant_id: str
    account_id: str = ""
    addresses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


class LookUps(Protocol):
    """The questions of the mail services."""

    async def found(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Found]:
        """What there is of (local part, domain), for domains that are ours."""

    async def login(self, local_part: str, domain: str, app_verifier: str) -> Login | None:
        """The account with this address, and its app password with this verifier ("" where none was given)."""

    async def barred(self, guests: Sequence[Guest]) -> list[int]:
        """The places of those who may not be in any more: their account may not, or what they came with is not good now."""

    async def replace_verifier(self, login: Login, verifier: str) -> None:
        """The same password, hashed anew. Nothing happens where it was changed meanwhile."""

    async def login_of_credential(self, local_part: str, domain: str, credential_id: str) -> Login | None:
        """The account with this address, with `app` or `is_password` set by the credential, where it has that."""

    async def add_scram(self, login: Login, verifier: str, keys: ScramKeys) -> None:
        """SCRAM keys of its password. Nothing happens where `verifier` is not that of the password any more."""

    async def scram(self, local_part: str, domain: str, door: str, now: datetime) -> ScramMaterial | None:
        """The salt and the keys that are good for this door now; None where there is no such account."""


class LoginLimits(Protocol):
    """Tallies of failed logins, shared by all processes. Every method raises DatabaseUnavailable."""

    async def standing(self, attempted: Attempted, now: datetime) -> Standing:
        """What counts against an attempt."""

    async def came_before(self, account_id: str) -> bool:
        """Whether the account has come in from anywhere that is still known."""

    async def failed(self, attempted: Attempted, now: datetime) -> None:
        """Count a wrong password."""

    async def succeeded(self, attempted: Attempted, now: datetime) -> None:
        """The password was right: forget the pair's failures, and know it again."""


class Missing(Exception):
    """There is no such object (also: not in this tenant)."""


class Taken(Exception):
    """The name is in use."""


class Stale(Exception):
    """It is another by now than the change was made up for."""


class InUse(Exception):
    """It still holds something; the text says what."""
