"""From a forward-path to the places its mail goes to: aliases are followed here, once, with a guard.

The look-up is a parameter: it is asked for all addresses of one step at once,
so a request costs one query for each step of the longest alias, not for each
address.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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


Ask = Callable[[Sequence[tuple[str, str]]], Awaitable[dict[tuple[str, str], Found]]]


async def resolve(addresses: Sequence[str], ask: Ask) -> list[Resolution]:
    """One resolution for each address, in order. `ask` answers (local part, domain) for domains that are ours."""
    known: dict[tuple[str, str], Found | None] = {}
    wanted = {key for address in addresses if (key := names.split(address)) is not None}
    for _ in range(DEPTH + 1):
        unknown = sorted(wanted - known.keys())
        if not unknown:
            break
        found = await ask(unknown)
        for key in unknown:
            known[key] = found.get(key)
            entry = found.get(key)
            if entry is not None:
                wanted |= {k for target in entry.alias_targets if (k := names.split(target)) is not None}
        if len(wanted) > TARGETS * 2:
            break
    return [_resolve_one(address, known) for address in addresses]


def _resolve_one(address: str, known: dict[tuple[str, str], Found | None]) -> Resolution:
    key = names.split(address)
    if key is None or known.get(key) is None:
        return Resolution(address, Disposition.REMOTE)
    entry = known[key]
    assert entry is not None
    if not entry.exists:
        return Resolution(address, Disposition.UNKNOWN, tenant_id=entry.tenant_id)
    if entry.suspended:
        return Resolution(address, Disposition.DISABLED, tenant_id=entry.tenant_id)
    if entry.account_id is not None:
        target = Target(entry.primary_address, entry.account_id, entry.tenant_id)
        return Resolution(address, Disposition.DELIVER, (target,), entry.tenant_id)
    targets: dict[tuple[str, str | None], Target] = {}
    complete = _follow(key, entry.tenant_id, known, targets, (key,))
    if targets and len(targets) <= TARGETS:
        # A loop among some targets takes nothing from the others.
        return Resolution(address, Disposition.DELIVER, tuple(targets.values()), entry.tenant_id)
    ending = Disposition.UNKNOWN if complete else Disposition.LOOP
    return Resolution(address, ending, tenant_id=entry.tenant_id)


def _follow(
    key: tuple[str, str],
    tenant_id: str,
    known: dict[tuple[str, str], Found | None],
    targets: dict[tuple[str, str | None], Target],
    road: tuple[tuple[str, str], ...],
) -> bool:
    """Collect the places behind an alias; False where it leads back or too far."""
    entry = known.get(key)
    assert entry is not None
    complete = True
    for address in entry.alias_targets:
        if len(targets) > TARGETS:
            return False
        next_key = names.split(address)
        following = known.get(next_key) if next_key is not None else None
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
        else:
            complete = _follow(next_key, following.tenant_id, known, targets, (*road, next_key)) and complete
    return complete
