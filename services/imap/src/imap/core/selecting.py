"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 §6.3.1, §6.3.2, §6.4.2; RFC 3691)."""

from dataclasses import replace

from mailmodel import MailboxInfo
from mailmodel.flags import WIRE_NAMES
from mailmodel.rights import EXPUNGE, READ
from mailmodel.view import SessionView
from mailproto.imap import responses
from mailproto.imap.commands import Access, Select
from mailstore import MailboxMissing

from imap.core import naming, places, quotas, resyncing
from imap.core.answer import BY_UID, NO_MAILBOX, Answer, Bad, No, ok
from imap.core.authorizing import URLMECH
from imap.core.features import Feature
from imap.core.object_ids import mailbox_object
from imap.core.session import Selected, Session

# Who has none of these changes nothing that others see (RFC 4314 §5.2).
SHARED_CHANGES = frozenset("iewt")


async def select(session: Session, command: Select) -> Answer:
    """A failed SELECT leaves no mailbox selected."""
    if command.resync is not None and Feature.QRESYNC not in session.features:
        raise Bad("ENABLE QRESYNC first")
    if command.resync is not None and command.resync.pairs is not None and session.is_uid_only:
        raise Bad(*BY_UID)
    if session.selected is not None:
        session.select(None)
        # RFC 7162 §3.2.11: what follows is about another mailbox.
        await session.say(session.untagged("OK", "The mailbox before is closed", "CLOSED"))
    if command.wants_modseqs:
        await session.enable(Feature.CONDSTORE)
    place = await places.need(session, command.mailbox, READ)
    claims = command.access is Access.READ_WRITE
    try:
        snapshot = await places.snapshot(session, place.reach, claim_recent=claims)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    info = snapshot.info if place.is_own else replace(snapshot.info, name=place.info.name)
    view = SessionView(
        snapshot.uids,
        snapshot.system_flags,
        snapshot.keywords,
        snapshot.modseqs,
        highest_modseq=info.highest_modseq,
        uid_next=info.uid_next,
        recent_from_uid=snapshot.recent_from_uid,
    )
    selected = Selected(info.mailbox_id, info.name, command.access, view, place.reach)
    session.select(selected)
    session.is_stale = False
    await session.say(_described(session, info, selected))
    if session.is_rev2:
        await session.say(await naming.listed(session, place, command.mailbox))
    if command.resync is not None and command.resync.uid_validity == info.uid_validity:
        await resyncing.resync(session, command.resync)
    await quotas.warn(session, place.reach.owner)
    if session.filler is not None and view.messages:
        session.filler.opened(place.reach.owner, info.mailbox_id, info.uid_next)
    changes = command.access is Access.READ_WRITE and not SHARED_CHANGES.isdisjoint(place.reach.rights)
    code = "READ-WRITE" if changes else "READ-ONLY"
    return ok(f"{command.access.value} completed", code)


def _described(session: Session, info: MailboxInfo, selected: Selected) -> bytes:
    """The untagged responses that describe a mailbox."""
    view = selected.view
    flags = list(WIRE_NAMES.values()) + sorted(view.all_keywords())
    lines = [
        b"* FLAGS %b\r\n" % responses.flags(flags),
        b"* %d EXISTS\r\n" % view.messages,
    ]
    if not session.is_rev2:
        lines.append(b"* %d RECENT\r\n" % view.recent)
        first = view.first_unseen()
        if first is not None and not session.is_uid_only:
            lines.append(session.untagged("OK", "The first unseen message", f"UNSEEN {first}"))
    lines += [
        session.permanent_flags(selected),
        session.untagged("OK", "UIDs are valid", f"UIDVALIDITY {info.uid_validity}"),
        session.untagged("OK", "The next UID", f"UIDNEXT {info.uid_next}"),
        session.untagged("OK", "The highest mod-sequence", f"HIGHESTMODSEQ {info.highest_modseq}"),
        session.untagged("OK", "How URLs are signed", URLMECH),
        session.untagged("OK", "The mailbox", f"MAILBOXID ({mailbox_object(info.mailbox_id)})"),
    ]
    return b"".join(lines)


async def close(session: Session) -> Answer:
    """Remove what is \\Deleted, silently, and select nothing."""
    selected = session.need_selected()
    if selected.access is Access.READ_WRITE and EXPUNGE in selected.reach.rights:
        try:
            await session.store.expunge(selected.reach.owner, selected.mailbox_id)
        except MailboxMissing:
            pass
    session.select(None)
    return ok("CLOSE completed")


async def unselect(session: Session) -> Answer:
    """Select nothing, remove nothing."""
    session.need_selected()
    session.select(None)
    return ok("UNSELECT completed")
