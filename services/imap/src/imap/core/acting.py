"""Telling what users do in mailboxes that have a Sieve script for it (RFC 6785): APPEND, COPY and MOVE, changes of flags.

The script's name is an annotation, `/shared/imapsieve/script`, of the mailbox or else of its account. The mda runs it, off
the way of the command; what scripts change does not come by here, so that none runs because of another. Which
mailboxes have one is remembered for a few seconds: where nobody has any, one look-up of an account in this time is the
whole cost.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from uuid import uuid4

from directoryclient import Unavailable
from mailmodel import AccountRef, Entry, FlagAction, FlagChange, Flags
from mailstore import StoreUnavailable

from imap.core.places import Reach
from imap.core.session import Session
from imap.ports import Acted

ENTRY = "/shared/imapsieve/script"
# In place of a mailbox's id: the account itself.
OF_ACCOUNT = 0
KEPT_SECONDS = 10.0
MOST_KEPT = 20_000
AT_ONCE = 500


class Cause(Enum):
    """What a script is told of what was done (RFC 6785 §4.3)."""

    APPEND = "APPEND"
    COPY = "COPY"
    FLAG = "FLAG"


class Scripted:
    """Which mailboxes have a script, of all sessions of a process, and who hears what is done there."""

    def __init__(self, tell: Acted, clock: Callable[[], float] = time.monotonic) -> None:
        self.tell = tell
        self._clock = clock
        self._kept: OrderedDict[AccountRef, tuple[float, frozenset[int]]] = OrderedDict()

    def forget(self, owner: AccountRef) -> None:
        """Its annotations changed."""
        self._kept.pop(owner, None)

    async def has(self, session: Session, reach: Reach) -> bool:
        """Whether a script is to run there; where that cannot be found out now, yes: the mda looks again."""
        now, owner = self._clock(), reach.owner
        kept = self._kept.get(owner)
        if kept is None or kept[0] <= now:
            try:
                found = await session.store.annotations_named(owner, [ENTRY])
            except StoreUnavailable:
                return True
            kept = (now + KEPT_SECONDS, frozenset(place for place, _ in found))
            self._kept[owner] = kept
            self._kept.move_to_end(owner)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return reach.mailbox_id in kept[1] or OF_ACCOUNT in kept[1]


async def tell_saved(session: Session, reach: Reach, uids: Sequence[int], cause: Cause) -> None:
    """These messages are new in a mailbox."""
    await _tell(session, reach, uids, cause, ())


async def tell_flagged(session: Session, reach: Reach, change: FlagChange, entries: Sequence[Entry]) -> None:
    """The flags of these have changed in the selected mailbox; its view is as it was before. One event for each set of
    changed flags.
    """
    if session.scripted is None or not entries or not await session.scripted.has(session, reach):
        return
    view = session.need_selected().view
    by_flags: dict[tuple[str, ...], list[int]] = {}
    for entry in entries:
        changed = _changed(change, view.flags_of(entry.uid), entry.flags)
        if changed:
            by_flags.setdefault(changed, []).append(entry.uid)
    for flags, uids in by_flags.items():
        await _tell(session, reach, uids, Cause.FLAG, flags)


def _changed(change: FlagChange, before: Flags, after: Flags) -> tuple[str, ...]:
    """By this change: what somebody else changed is not of this event."""
    system = before.system ^ after.system
    were, are = ({word.lower(): word for word in each.keywords} for each in (before, after))
    words = {(were | are)[word] for word in were.keys() ^ are.keys()}
    if change.action is not FlagAction.REPLACE:
        meant = {word.lower() for word in change.flags.keywords}
        system &= change.flags.system
        words = {word for word in words if word.lower() in meant}
    return tuple(Flags(system, frozenset(words)).to_wire())


async def _tell(
    session: Session, reach: Reach, uids: Sequence[int], cause: Cause, flags: tuple[str, ...]
) -> None:
    scripted = session.scripted
    if scripted is None or not uids or not await scripted.has(session, reach):
        return
    assert session.who is not None
    owner = session.who.address
    if reach.reader_id:
        assert session.people is not None
        try:
            people = await session.people.by_id(reach.owner.tenant_id, [reach.owner.account_id])
        except Unavailable:
            return
        if reach.owner.account_id not in people:
            return
        owner = people[reach.owner.account_id].address
    for start in range(0, len(uids), AT_ONCE):
        told = {
            "event_id": uuid4().hex,
            "at": time.time_ns() // 1_000_000,
            "tenant_id": reach.owner.tenant_id,
            "account_id": reach.owner.account_id,
            "owner": owner,
            "user": session.who.address,
            "mailbox_id": reach.mailbox_id,
            "uids": list(uids[start : start + AT_ONCE]),
            "cause": cause.value,
            "flags": list(flags),
        }
        scripted.tell(reach.owner, json.dumps(told).encode())
