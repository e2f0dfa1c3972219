"""REPLACE and UID REPLACE (RFC 8508)."""

from mailmodel.rights import DELETE_MESSAGES, EXPUNGE
from mailmodel.view import MayExpunge
from mailproto.imap.commands import Replace
from mailstore import EntryMissing, MailboxMissing

from imap.core.acting import Cause, tell_saved
from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.appending import appended_code, new_messages, target_mailbox
from imap.core.naming import say_normal_form
from imap.core.quotas import warn
from imap.core.session import Session

GONE = ("There is no such message", "NONEXISTENT")


async def replace(session: Session, command: Replace) -> Answer:
    """Both or neither: the new message comes, the old one goes."""
    selected = session.need_writable(DELETE_MESSAGES + EXPUNGE)
    uids = session.uids(command.number, command.by)
    if not uids:
        raise No(*GONE)
    target = await target_mailbox(session, command.mailbox)
    [new] = await new_messages(session, [command.text])
    try:
        if target.is_own and not selected.reach.reader_id:
            uid = await session.store.replace(
                session.account, selected.mailbox_id, uids[0], target.info.mailbox_id, new
            )
        else:
            source = selected.reach.side
            uid = await session.store.replace_between(source, uids[0], target.reach.side, new)
    except EntryMissing:
        raise No(*GONE) from None
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    await tell_saved(session, target.reach, [uid], Cause.APPEND)
    if target.info.mailbox_id == selected.mailbox_id:
        session.put_there([uid])
    await session.say(
        session.untagged("OK", "The new message is there", appended_code(target.info.uid_validity, [uid]))
    )
    await say_normal_form(session, command.mailbox)
    await warn(session, target.reach.owner)
    await session.refresh(MayExpunge.YES)
    return ok("REPLACE completed", session.highest_told)
