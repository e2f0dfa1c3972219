"""SORT (RFC 5256, RFC 5267 §3): the messages that match, in an order of their columns."""

from mailproto.imap import responses
from mailproto.imap.commands import By, Sort
from mailproto.imap.search_keys import asks_modseq
from mailstore import MailboxMissing

from imap.core import contexts
from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.finding import find
from imap.core.limits import refuse_more
from imap.core.ordering import ordered, read_rows, run_apart
from imap.core.searching import highest_modseq, result_items
from imap.core.session import Session


async def sort(session: Session, command: Sort, tag: str) -> Answer:
    """The numbers that match, sorted."""
    updates = command.returns is not None and command.returns.updates
    if updates:
        contexts.check_tag(session, tag)
    matching = await find(session, command.key)
    refuse_more(len(matching), session.limits.messages)
    found = {each.uid: each for each in matching}
    scores = {each.uid: each.relevancy for each in matching}
    try:
        rows = await read_rows(session, session.need_selected().mailbox_id, found, command.criteria, scores)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    rows = await run_apart(len(rows), lambda: ordered(rows, command.criteria))
    is_uid = command.by is By.UID
    tells_modseq = asks_modseq(command.key)
    if command.returns is None:
        numbers = [row.uid if is_uid else found[row.uid].number for row in rows]
        highest = highest_modseq(matching) if tells_modseq and rows else None
        await session.say(responses.sort(numbers, highest))
    else:
        items = result_items(
            command.returns,
            [found[row.uid] for row in rows],
            command.by,
            tells_modseq=tells_modseq,
        )
        await session.say(responses.esearch(tag, is_uid, items))
    if updates:
        await contexts.begin_sorted(session, command, tag, rows)
    return ok("SORT completed")
