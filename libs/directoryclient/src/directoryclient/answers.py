"""What the directory answers, without generated types."""

from dataclasses import dataclass
from enum import Enum

from mailmodel import AccountRef


class Unavailable(Exception):
    """The directory did not answer; asking again later may help."""


class Throttled(Unavailable):
    """Too many failed logins: the password was not looked at. A door says what it says when we are unwell: later."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("too many failed logins")
        self.retry_after_seconds = retry_after_seconds


class Disposition(Enum):
    """What becomes of a recipient."""

    DELIVER = "deliver"
    REMOTE = "remote"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Target:
    """An account, or a remote forward-path that an alias of `tenant_id` names (`account_id` is None)."""

    address: str
    account_id: str | None
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer for one address. `tenant_id` is the tenant whose domain it is, "" for a remote one."""

    disposition: Disposition
    targets: tuple[Target, ...]
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has authenticated. `address` is the account's primary address, in its canonical form.

    `may_send_as` are addresses of others that count as its own when it sends; for those of `may_send_on_behalf_of` the
    message must say in Sender who sent it. Both in lower case.
    """

    account: AccountRef
    address: str
    store: str
    may_send_as: frozenset[str] = frozenset()
    may_send_on_behalf_of: frozenset[str] = frozenset()
    # With what it came in; the directory's own words.
    credential: str = ""

    @property
    def owner(self) -> tuple[str, str, str]:
        """Whose the connection is (`servicekit.tcp.Connection.owner`, `directoryclient.barring`)."""
        return self.account.tenant_id, self.account.account_id, self.credential
