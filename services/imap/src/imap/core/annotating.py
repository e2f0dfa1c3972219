"""GETMETADATA and SETMETADATA (RFC 5464): what clients keep about a mailbox, or (named "") about the account.

What the RFC calls shared is, of a mailbox, for all who may read it, and set by those who may write (§3.3); of the server
it can be read and not be set, but for the name of a script (RFC 6785), which is each account's own. Private entries of a
mailbox are its owner's: others have none there.
"""

from collections.abc import Mapping, Sequence

from mailmodel import MailboxInfo
from mailmodel.rights import LOOKUP, WRITE
from mailproto.imap import responses
from mailproto.imap.commands import Depth, GetMetadata, SetMetadata
from mailstore import AnnotationsFull, MailboxMissing

from imap.core.acting import ENTRY
from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.filters import SERVER, check_value
from imap.core.notifying import keep_own
from imap.core.places import NOPERM, Place, need
from imap.core.session import Session

LONGEST_VALUE_OCTETS = 32 * 1024
PRIVATE = "/private/"
ADMIN = "/shared/admin"
SPECIAL_USE = "/private/specialuse"


async def get_metadata(session: Session, command: GetMetadata) -> Answer:
    """Values of the entries asked for; NIL for one that is not there."""
    place = await _mailbox(session, command.mailbox)
    info = None if place is None else place.info
    if place is None or place.is_own:
        held = await session.store.get_annotations(
            session.account, SERVER if info is None else info.mailbox_id
        )
    else:
        held = {entry: value for (_, entry), value in (await of_others(session, place)).items()}
    held.update(_computed(session, info))
    found = _chosen(command, held)
    largest = command.largest_octets
    too_long = [
        len(value)
        for value in found.values()
        if value is not None and largest is not None and len(value) > largest
    ]
    shown = b" ".join(
        b"%b %b" % (responses.entry(entry), _value(value))
        for entry, value in found.items()
        if value is None or largest is None or len(value) <= largest
    )
    if shown:
        name = b'""' if info is None else session.shown(info.name)
        await session.say(b"* METADATA %b (%b)\r\n" % (name, shown))
    return ok("GETMETADATA completed", f"METADATA LONGENTRIES {max(too_long)}" if too_long else "")


async def set_metadata(session: Session, command: SetMetadata) -> Answer:
    """All or none."""
    place = await _mailbox(session, command.mailbox)
    info = None if place is None else place.info
    values = dict(command.values)
    is_readers = place is not None and not place.is_own
    own = {entry: value for entry, value in values.items() if is_readers and entry.startswith(PRIVATE)}
    shared = {entry: value for entry, value in values.items() if entry not in own}
    if place is not None and is_readers and shared:
        place.reach.need(WRITE)
        # The script would be one of the owner's, and what it sends would be his.
        if ENTRY in shared:
            raise No(*NOPERM)
    for entry, value in values.items():
        is_fixed = info is None and entry.startswith("/shared/") and entry != ENTRY
        if entry in (ADMIN, SPECIAL_USE) or is_fixed:
            raise No("That entry cannot be changed", "CANNOT")
        if value is not None and info is None:
            check_value(entry, value)
        if value is not None and len(value) > LONGEST_VALUE_OCTETS:
            raise No("That value is too long", f"METADATA MAXSIZE {LONGEST_VALUE_OCTETS}")
    try:
        mailbox_id = SERVER if info is None else info.mailbox_id
        owner = session.account if place is None else place.reach.owner
        if place is not None and is_readers:
            reader_id = place.reach.reader_id
            await session.store.change_annotations_as(owner, mailbox_id, reader_id, own, shared)
        else:
            await session.store.change_annotations(owner, mailbox_id, values)
    except AnnotationsFull:
        raise No("There are too many annotations", "METADATA TOOMANY") from None
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    if session.scripted is not None:
        session.scripted.forget(owner)
    await keep_own(session, mailbox_id, values)
    return ok("SETMETADATA completed")


def listed(
    session: Session, info: MailboxInfo, entries: Sequence[str], held: Mapping[tuple[int, str], bytes]
) -> bytes:
    """The METADATA response that follows a LIST response (RFC 9590 §3)."""
    computed = _computed(session, info)
    shown = b" ".join(
        b"%b %b" % (responses.entry(entry), _value(held.get((info.mailbox_id, entry), computed.get(entry))))
        for entry in entries
    )
    return b"* METADATA %b (%b)\r\n" % (session.shown(info.name), shown)


async def of_others(session: Session, place: Place) -> dict[tuple[int, str], bytes]:
    """What a reader sees, by mailbox id and name: what is shared, and what he keeps there himself."""
    mailbox_id, owner = place.info.mailbox_id, place.reach.owner
    shared = await session.store.get_annotations(owner, mailbox_id)
    own = await session.store.get_annotations_as(owner, mailbox_id, place.reach.reader_id)
    visible = {entry: value for entry, value in shared.items() if not entry.startswith(PRIVATE)} | own
    return {(mailbox_id, entry): value for entry, value in visible.items()}


async def _mailbox(session: Session, name: str) -> Place | None:
    if not name:
        return None
    found = await need(session, name, LOOKUP)
    if not may_see(found):
        raise No(*NOPERM)
    return found


def may_see(place: Place) -> bool:
    """Whether the rights are enough for annotations (RFC 5464 §3.3), beside that it may be listed."""
    return not place.reach.rights.isdisjoint("rswip")


def _computed(session: Session, info: MailboxInfo | None) -> dict[str, bytes]:
    """Entries that follow from something else."""
    if info is None:
        assert session.who is not None
        domain = session.who.address.rpartition("@")[2]
        return {ADMIN: f"mailto:postmaster@{domain}".encode()}
    # RFC 6154 §4
    return {SPECIAL_USE: " ".join(sorted(info.special_use)).encode("ascii")} if info.special_use else {}


def _chosen(command: GetMetadata, held: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """DEPTH (RFC 5464 §4.2.2)."""
    found: dict[str, bytes | None] = {}
    for entry in command.entries:
        if entry in held or command.depth is Depth.ENTRY:
            found[entry] = held.get(entry)
        for other in held:
            rest = other.removeprefix(entry + "/")
            if rest == other or command.depth is Depth.ENTRY:
                continue
            if command.depth is Depth.ALL or "/" not in rest:
                found[other] = held[other]
    return found


def _value(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    return (b"~" if b"\0" in value else b"") + responses.quoted_or_literal(value)
