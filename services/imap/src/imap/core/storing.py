"""STORE, EXPUNGE, UID EXPUNGE, COPY, MOVE (RFC 3501 §6.4.6, §6.4.3, §6.4.7; RFC 4315; RFC 6851; RFC 7162 §3.1.3)."""

from collections.abc import Sequence

from mailmodel import FlagAction, FlagChange, Flags
from mailmodel.flags import KEYWORDS_A_MESSAGE
from mailmodel.rights import DELETE_MESSAGES, EXPUNGE
from mailmodel.view import MayExpunge, SessionView
from mailproto.imap.commands import By, Copy, Echo, Move, Store, StoreAction, UidExpunge
from mailproto.imap.fetch_items import Attribute, FetchItem
from mailproto.imap.message_set import compact
from mailstore import CopyResult, MailboxMissing

from imap.core import places
from imap.core.acting import Cause, tell_flagged, tell_saved
from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.appending import given_flags, target_mailbox
from imap.core.compiling import viewing
from imap.core.features import Feature
from imap.core.limits import last_ones, refuse_more
from imap.core.opening import opened_by, tell_opened
from imap.core.places import NOPERM, Reach
from imap.core.quotas import warn
from imap.core.session import Session

ACTIONS = {
    StoreAction.ADD: FlagAction.ADD,
    StoreAction.REMOVE: FlagAction.REMOVE,
    StoreAction.REPLACE: FlagAction.REPLACE,
}


async def store(session: Session, command: Store) -> Answer:
    """Change flags and tell the new ones, unless the client wants silence; the new MODSEQ is told all the same."""
    selected = session.need_writable()
    uids, limited = last_ones(session.uids(command.numbers, command.by), session.limits.messages)
    change = FlagChange(ACTIONS[command.action], given_flags(command.flags))
    _need_any(selected.reach, change)
    _check_room(selected.view, uids, change)
    try:
        if command.unchanged_since is None:
            outcome = await places.store_flags(session, selected.reach, uids, change)
        else:
            await session.enable(Feature.CONDSTORE)
            outcome = await places.store_flags(session, selected.reach, uids, change, command.unchanged_since)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    entries, modified = outcome.entries, outcome.modified
    surprising: set[int] = set()
    if outcome.modseq_before != selected.view.highest_modseq:
        # What others did to these messages just before is told whether or not the client wants silence: it could not
        # know what the flags are now (RFC 3501 §6.4.6).
        surprising = {
            entry.uid
            for entry in entries
            if entry.flags != change.applied_to(selected.view.flags_of(entry.uid))
        }
    opened = opened_by(selected.view, change, entries)
    changed = [entry for entry in entries if entry.uid not in modified]
    await tell_flagged(session, selected.reach, change, changed)
    session.told(outcome)
    await tell_opened(session, opened)
    uids = [entry.uid for entry in entries]
    if command.echo is Echo.TELL:
        await session.say(_stored(session, command, uids, tells_flags=True))
    else:
        if surprising:
            await session.say(_stored(session, command, sorted(surprising), tells_flags=True))
        if session.tells_modseqs:
            calm = [uid for uid in uids if uid not in surprising]
            await session.say(_stored(session, command, calm, tells_flags=False))
    if modified:
        numbers = modified
        if command.by is By.SEQUENCE:
            numbers = [number for uid in modified if (number := selected.view.number_of(uid)) is not None]
        await _say_left(session, limited)
        return ok("Some have changed meanwhile", f"MODIFIED {compact(numbers).decode()}")
    return ok("STORE completed", limited)


def _need_any(reach: Reach, change: FlagChange) -> None:
    """Some of what STORE would change may be changed (RFC 4314 §4). Raises No."""
    if change.action is FlagAction.REPLACE:
        may = bool(reach.limits.system)
    else:
        limits, flags = reach.limits, change.flags
        may = bool(flags.system & limits.system or (flags.keywords and limits.keywords))
        may = may or not (flags.system or flags.keywords)
    if not may:
        raise No(*NOPERM)


def _check_room(view: SessionView, uids: Sequence[int], change: FlagChange) -> None:
    """A message has so many keywords, however many commands give them to it. Raises No."""
    if change.action is not FlagAction.ADD or not change.flags.keywords:
        return
    for _, _, _, keywords, _ in view.rows_of(uids):
        if keywords and len(change.applied_to(Flags(keywords=keywords)).keywords) > KEYWORDS_A_MESSAGE:
            raise No("Too many keywords, or one is too long", "LIMIT")


def _stored(session: Session, command: Store, uids: Sequence[int], *, tells_flags: bool) -> bytes:
    """The FETCH responses of these, in order."""
    items: list[FetchItem] = []
    if not session.is_uid_only and (command.by is By.UID or session.tells_modseqs or session.is_rev2):
        items.append(Attribute.UID)
    if tells_flags:
        items.append(Attribute.FLAGS)
    if session.tells_modseqs:
        items.append(Attribute.MODSEQ)
    return viewing(session, items)(uids)


async def expunge(session: Session, command: UidExpunge | None) -> Answer:
    """Remove what is \\Deleted, all of it or of these UIDs only."""
    selected = session.need_writable(EXPUNGE)
    uids: Sequence[int] | None = None
    limited = ""
    if command is not None:
        uids, limited = last_ones(session.uids(command.uids, By.UID), session.limits.messages)
    try:
        gone = await session.store.expunge(selected.reach.owner, selected.mailbox_id, uids)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    await session.refresh(MayExpunge.YES)
    return ok("EXPUNGE completed", await _code(session, limited, session.highest_told if gone else ""))


async def _code(session: Session, limited: str, other: str) -> str:
    """One answer has one code: beside another, that some are left is said before (RFC 9738 §3.1)."""
    if not other:
        return limited
    await _say_left(session, limited)
    return other


async def _say_left(session: Session, limited: str) -> None:
    if limited:
        await session.say(session.untagged("NO", "Some are left", limited))


def _copy_code(result: CopyResult) -> str:
    if not result.pairs:
        return ""
    sources = compact([source for source, _ in result.pairs]).decode()
    targets = compact([target for _, target in result.pairs]).decode()
    return f"COPYUID {result.uid_validity} {sources} {targets}"


async def copy(session: Session, command: Copy) -> Answer:
    """All or none; flags and dates go along."""
    selected = session.need_selected()
    uids = session.uids(command.numbers, command.by)
    refuse_more(len(uids), session.limits.of_saving, uids[0] if uids else None)
    place = await target_mailbox(session, command.mailbox)
    target = place.info.mailbox_id
    try:
        if place.is_own and not selected.reach.reader_id:
            result = await session.store.copy(session.account, selected.mailbox_id, uids, target)
        else:
            result = await session.store.copy_between(selected.reach.side, uids, place.reach.side)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    await tell_saved(session, place.reach, [uid for _, uid in result.pairs], Cause.COPY)
    await warn(session, place.reach.owner)
    if target == selected.mailbox_id:
        session.put_there(uid for _, uid in result.pairs)
    return ok("COPY completed", _copy_code(result))


async def move(session: Session, command: Move) -> Answer:
    """COPYUID comes before the expunges (RFC 6851 §4.3). Into the same mailbox: they get new UIDs (§3.3)."""
    selected = session.need_writable(DELETE_MESSAGES + EXPUNGE)
    uids, limited = last_ones(session.uids(command.numbers, command.by), session.limits.messages)
    place = await target_mailbox(session, command.mailbox)
    target = place.info.mailbox_id
    try:
        if place.is_own and not selected.reach.reader_id:
            result = await session.store.move(session.account, selected.mailbox_id, uids, target)
        else:
            result = await session.store.move_between(selected.reach.side, uids, place.reach.side)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    if result.pairs:
        await tell_saved(session, place.reach, [uid for _, uid in result.pairs], Cause.COPY)
        await session.say(session.untagged("OK", "Moved", _copy_code(result)))
    if target == selected.mailbox_id:
        session.put_there(uid for _, uid in result.pairs)
    if place.reach.owner != selected.reach.owner:
        await warn(session, place.reach.owner)
    await session.refresh(MayExpunge.YES)
    return ok("MOVE completed", await _code(session, limited, session.highest_told if result.pairs else ""))
