"""From a forward-path to the places its mail goes to: aliases are followed here, once, with a guard.

The look-up is a parameter: it is asked for all addresses of one step at once,
so a request costs one query for each step of the longest alias, not for each
address.

A subaddress (`alice+shop@...`, RFC 5233) that is no address of its own means the
address without the detail; what the detail says stays in the forward-path, for
whoever files the message.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from directory.core import names

DEPTH = 10
TARGETS = 1000


class Disposition(Enum):
    """What becomes of a recipient."""

    DELIVER = "deliver"
    REMOTE = "remote"
    UNKNOWN = "unknown"
    DISABLED = "disabled"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Target:
    """An account, or a remote forward-path that an alias names (`account_id` is None)."""

    address: str
    account_id: str | None
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The answer for one address."""

    address: str
    disposition: Disposition
    targets: tuple[Target, ...] = ()
    tenant_id: str = ""
    # Tenants whose tables it was found in: a change of no other makes it another. Empty: anybody's may.
    found_in: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """What the tables hold of one address whose domain is ours; all empty: nothing.

    `suspended` covers tenant, domain and account.
    """

    tenant_id: str
    account_id: str | None = None
    primary_address: str = ""
    alias_targets: tuple[str, ...] = ()
    suspended: bool = False
    exists: bool = True
    # Where mail goes that is for nobody here.
    catch_all: tuple[str, ...] = ()

    def caught(self) -> "Found":
        """As an alias that its domain's catch-all is."""
        if self.exists or not self.catch_all or self.suspended:
            return self
        return replace(self, exists=True, alias_targets=self.catch_all)


Key = tuple[str, str]
Ask = Callable[[Sequence[Key]], Awaitable[dict[Key, Found]]]
# In place of a tenant: what is nobody's now may be anybody's tomorrow.
ANYBODY = ""


async def resolve(addresses: Sequence[str], ask: Ask) -> list[Resolution]:
    """One resolution for each address, in order. `ask` answers (local part, domain) for domains that are ours."""
    known: dict[Key, Found | None] = {}
    wanted = set(_keys(addresses))
    most = len(wanted) + TARGETS * 2
    for _ in range(DEPTH + 1):
        unknown = sorted(wanted - known.keys())
        if not unknown:
            break
        found = await ask(unknown)
        for key in unknown:
            known[key] = found.get(key)
            entry = found.get(key)
            if entry is not None:
                wanted.update(_keys(entry.alias_targets if entry.exists else entry.catch_all))
        if len(wanted) > most:
            break
    return [_resolve_one(address, known) for address in addresses]


def _keys(addresses: Sequence[str]) -> Iterator[Key]:
    """What must be asked for: the addresses, and those that they are subaddresses of."""
    for address in addresses:
        if (key := names.split(address)) is not None:
            yield key
            if (user := names.without_detail(key[0])) is not None:
                yield user, key[1]


def _meant(address: str, known: dict[Key, Found | None]) -> Key | None:
    """The key that stands for an address: its own, or that without the detail where only that exists."""
    key = names.split(address)
    if key is None:
        return None
    entry, user = known.get(key), names.without_detail(key[0])
    if user is not None and entry is not None and not entry.exists:
        shorter = known.get((user, key[1]))
        if shorter is not None and shorter.exists:
            return user, key[1]
    return key


def _resolve_one(address: str, known: dict[Key, Found | None]) -> Resolution:
    key = _meant(address, known)
    if key is None or known.get(key) is None:
        return Resolution(address, Disposition.REMOTE)
    found = known[key]
    assert found is not None
    entry = found.caught()
    own = frozenset((entry.tenant_id,))
    if not entry.exists:
        return Resolution(address, Disposition.UNKNOWN, (), entry.tenant_id, own)
    if entry.suspended:
        return Resolution(address, Disposition.DISABLED, (), entry.tenant_id, own)
    if entry.account_id is not None:
        target = Target(entry.primary_address, entry.account_id, entry.tenant_id)
        return Resolution(address, Disposition.DELIVER, (target,), entry.tenant_id, own)
    targets: dict[tuple[str, str | None], Target] = {}
    tenants = {entry.tenant_id}
    complete = _follow(key, entry.tenant_id, known, targets, (key,), {}, tenants)
    found_in = frozenset() if ANYBODY in tenants else frozenset(tenants)
    if targets and len(targets) <= TARGETS:
        # A loop among some targets takes nothing from the others.
        return Resolution(address, Disposition.DELIVER, tuple(targets.values()), entry.tenant_id, found_in)
    ending = Disposition.UNKNOWN if complete else Disposition.LOOP
    return Resolution(address, ending, (), entry.tenant_id, found_in)


def _follow(
    key: Key,
    tenant_id: str,
    known: dict[Key, Found | None],
    targets: dict[tuple[str, str | None], Target],
    road: tuple[Key, ...],
    followed: dict[Key, bool],
    tenants: set[str],
) -> bool:
    """Collect the places behind an alias, and all whose tables say so; False where it leads back or too far.

    Each alias is followed once, however many lead to it: the roads through a lattice of them have no number.
    """
    found = known.get(key)
    assert found is not None
    entry = found.caught()
    complete = True
    for address in entry.alias_targets:
        if len(targets) > TARGETS:
            tenants.add(ANYBODY)
            return False
        next_key = _meant(address, known)
        following = known.get(next_key) if next_key is not None else None
        following = following.caught() if following is not None else None
        tenants.add(following.tenant_id if following is not None else ANYBODY)
        if next_key is None or following is None:
            if next_key is not None and next_key not in known:
                complete = False
                continue
            targets.setdefault((address, None), Target(address, None, tenant_id))
        elif not following.exists or following.suspended:
            continue
        elif following.account_id is not None:
            place = Target(following.primary_address, following.account_id, following.tenant_id)
            targets.setdefault((place.address, place.account_id), place)
        elif next_key in road or len(road) >= DEPTH:
            complete = False
        elif next_key in followed:
            complete = followed[next_key] and complete
        else:
            further = (*road, next_key)
            complete = (
                _follow(next_key, following.tenant_id, known, targets, further, followed, tenants)
                and complete
            )
    followed[key] = complete
    return complete
