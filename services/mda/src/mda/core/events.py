"""What users did in mailboxes that have scripts (RFC 6785), as imap tells it, and what a script's outcome means for a message
that lies there already. No I/O.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailmodel import AccountRef, Flags
from sieve.actions import Action, FileInto, Keep, Notify, Redirect, RedirectToList

ENTRY = "/shared/imapsieve/script"
CAUSES = ("APPEND", "COPY", "FLAG")
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# In place of a mailbox's id: the account itself.
OF_ACCOUNT = 0


class NoEvent(ValueError):
    """That is no event."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a user did to messages of one mailbox. `user` is who did it, `owner` whose mailbox it is (addresses).

    `flags` have changed, where the cause is FLAG. `at` is in milliseconds since 1970.
    """

    event_id: str
    at: int
    account: AccountRef
    owner: str
    user: str
    mailbox_id: int
    uids: tuple[int, ...]
    cause: str
    flags: tuple[str, ...]


def read_event(payload: bytes) -> Event:
    """Raises NoEvent."""
    try:
        told: dict[str, Any] = json.loads(payload)
        event = Event(
            event_id=str(told["event_id"]),
            at=int(told["at"]),
            account=AccountRef(str(told["tenant_id"]), str(told["account_id"])),
            owner=str(told["owner"]),
            user=str(told["user"]),
            mailbox_id=int(told["mailbox_id"]),
            uids=tuple(int(uid) for uid in told["uids"]),
            cause=str(told["cause"]),
            flags=tuple(str(flag) for flag in told["flags"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise NoEvent(str(error)) from None
    if event.cause not in CAUSES or not event.event_id or not 0 <= event.at < 1 << 48:
        raise NoEvent(f"cause {event.cause[:20]!r}")
    return event


def script_name(annotations: Mapping[tuple[int, str], bytes], mailbox_id: int) -> str:
    """Of the mailbox, or else of the account; "": none is to be run. The mailbox's own is taken as it is (§2.3.1)."""
    for place in (mailbox_id, OF_ACCOUNT):
        value = annotations.get((place, ENTRY))
        if value is not None:
            return value.decode("utf-8", "replace").strip()
    return ""


def environment(event: Event, mailbox: str, hostname: str) -> dict[str, str]:
    """RFC 6785 §4; of RFC 5183 §4.1 what is known."""
    return {
        "domain": event.owner.rpartition("@")[2],
        "host": hostname,
        "location": "MS",
        "name": "Posthouse",
        "phase": "post",
        "version": "1",
        "imap.user": event.user,
        "imap.email": event.user,
        "imap.cause": event.cause,
        "imap.mailbox": mailbox,
        "imap.changedflags": " ".join(event.flags),
    }


def base_queue_id(event: Event, uid: int) -> str:
    """Of what a script sends about one message: the same whenever the event comes again."""
    number, letters = event.at, ""
    for _ in range(10):
        letters = ALPHABET[number & 31] + letters
        number >>= 5
    digest = hashlib.sha256(f"{event.event_id}\0{uid}".encode()).digest()
    return letters + "".join(ALPHABET[octet & 31] for octet in digest[:16])


Sending = Redirect | RedirectToList | Notify


@dataclass(frozen=True, slots=True)
class EventPlan:
    """What is to be done, in this order: the sending, the copies, then the message itself.

    What is not kept is marked \\Deleted (§2.2.4); what is, gets these flags (None: it keeps its own).
    """

    sendings: list[Sending]
    copies: list[FileInto]
    is_kept: bool
    flags: Flags | None


def plan_event(actions: Sequence[Action], *, is_looping: bool) -> EventPlan:
    """§3: what arrives with other actions cannot be asked for by a script that was compiled for events.

    `is_looping`: the message went through this account before; it is kept, and not sent on.
    """
    sendings: list[Sending] = []
    copies: list[FileInto] = []
    is_kept, flags = False, None
    for action in actions:
        if isinstance(action, Keep):
            is_kept, flags = True, Flags.from_wire(action.flags)
        elif isinstance(action, FileInto):
            copies.append(action)
        elif isinstance(action, Notify) or (isinstance(action, Redirect | RedirectToList) and not is_looping):
            sendings.append(action)
        elif isinstance(action, Redirect | RedirectToList):
            is_kept = True
    return EventPlan(sendings, copies, is_kept, flags)
