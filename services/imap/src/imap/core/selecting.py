"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 §6.3.1, §6.3.2, §6.4.2; RFC 3691)."""

from mailmodel.flags import WIRE_NAMES
from mailmodel.view import SessionView
from mailproto.imap import responses
from mailproto.imap.commands import Access, Select
from mailstore import MailboxMissing

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.session import Selected, Session


async def select(session: Session, command: Select) -> Answer:
    """A failed SELECT leaves no mailbox selected."""
    session.select(None)
    found = await session.store.get_mailbox(session.account, command.mailbox)
    if found is None:
        raise No(*NO_MAILBOX)
    claims = command.access is Access.READ_WRITE
    try:
        snapshot = await session.store.snapshot(session.account, found.mailbox_id, claim_recent=claims)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    info = snapshot.info
    view = SessionView(
        snapshot.uids,
        snapshot.system_flags,
        snapshot.keywords,
        highest_modseq=info.highest_modseq,
        uid_next=info.uid_next,
        recent_from_uid=snapshot.recent_from_uid,
    )
    session.select(Selected(info.mailbox_id, info.name, command.access, view))
    session.is_stale = False
    system = list(WIRE_NAMES.values())
    flags = system + sorted(view.all_keywords())
    lines = [
        b"* FLAGS %b\r\n" % responses.flags(flags),
        b"* %d EXISTS\r\n* %d RECENT\r\n" % (view.messages, view.recent),
    ]
    first = view.first_unseen()
    if first is not None:
        lines.append(responses.untagged("OK", "The first unseen message", f"UNSEEN {first}"))
    permanent = "" if command.access is Access.READ_ONLY else " ".join([*flags, "\\*"])
    lines += [
        responses.untagged("OK", "Flags that are kept", f"PERMANENTFLAGS ({permanent})"),
        responses.untagged("OK", "UIDs are valid", f"UIDVALIDITY {info.uid_validity}"),
        responses.untagged("OK", "The next UID", f"UIDNEXT {info.uid_next}"),
    ]
    await session.say(b"".join(lines))
    code = "READ-WRITE" if command.access is Access.READ_WRITE else "READ-ONLY"
    return ok(f"{command.access.value} completed", code)


async def close(session: Session) -> Answer:
    """Remove what is \\Deleted, silently, and select nothing."""
    selected = session.need_selected()
    if selected.access is Access.READ_WRITE:
        try:
            await session.store.expunge(session.account, selected.mailbox_id)
        except MailboxMissing:
            pass
    session.select(None)
    return ok("CLOSE completed")


async def unselect(session: Session) -> Answer:
    """Select nothing, remove nothing."""
    session.need_selected()
    session.select(None)
    return ok("UNSELECT completed")
