"""THREAD (RFC 5256): the messages that match, as trees."""

from collections.abc import Sequence
from functools import partial

from mailmodel.base_subject import base_subject
from mailmodel.thread_id import message_ids
from mailmodel.threads import Member, Node, by_references, by_refs, by_subject
from mailmsg.header import first_value
from mailmsg.words import decode_words
from mailproto.imap.commands import By, Thread
from mailproto.imap.sort_keys import ThreadAlgorithm
from mailstore import Columns, MailboxMissing, StoredMessage

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.finding import find, full_header
from imap.core.limits import refuse_more
from imap.core.ordering import run_apart, sent_at
from imap.core.session import Session
from imap.core.turns import looked_through

BUILDERS = {
    ThreadAlgorithm.ORDEREDSUBJECT: by_subject,
    ThreadAlgorithm.REFERENCES: by_references,
    ThreadAlgorithm.REFS: by_refs,
}
# The first of more references, and the last: what lies between makes no thread.
REFERENCES = 200


async def thread(session: Session, command: Thread) -> Answer:
    """Numbers in nested parentheses."""
    matching = await find(session, command.key)
    refuse_more(len(matching), session.limits.messages)
    found = {each.uid: each.number for each in matching}
    members: list[Member] = []
    mailbox_id = session.need_selected().mailbox_id
    columns = Columns.HEADER | Columns.BODY | Columns.SENT
    try:
        async for stored in session.store.fetch(
            session.owner_of(mailbox_id), mailbox_id, list(found), columns
        ):
            for message in stored:
                await session.turns.give_way()
                number = message.uid if command.by is By.UID else found[message.uid]
                header = await full_header(session, message)
                members.append(await looked_through(len(header), partial(_member, message, header, number)))
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    build = BUILDERS[command.algorithm]
    roots = await run_apart(len(members), lambda: build(members))
    await session.say(b"* THREAD%b\r\n" % _shown(roots))
    return ok("THREAD completed")


def _member(message: StoredMessage, header: bytes, number: int) -> Member:
    references = _ids(first_value(header, b"references"))
    if not references:
        references = _ids(first_value(header, b"in-reply-to"))[:1]
    if len(references) > REFERENCES:
        references = references[:1] + references[1 - REFERENCES :]
    subject = decode_words(first_value(header, b"subject") or b"")
    return Member(
        number,
        sent_at(message),
        base_subject(subject),
        next(iter(_ids(first_value(header, b"message-id"))), ""),
        tuple(references),
    )


def _ids(value: bytes | None) -> list[str]:
    return [] if value is None else [each.decode("utf-8", "replace") for each in message_ids(value)]


def _shown(roots: Sequence[Node]) -> bytes:
    """thread-data = "THREAD" [SP 1*thread-list], without recursion."""
    out: list[str] = []
    for root in roots:
        waiting: list[Node | str] = [")", root, "("]
        while waiting:
            each = waiting.pop()
            if isinstance(each, str):
                out.append(each)
                continue
            children = list(each.children)
            if each.member is not None:
                out.append(str(each.member.number))
                if not children:
                    continue
                out.append(" ")
                if len(children) == 1:
                    waiting.append(children[0])
                    continue
            for child in reversed(children):
                waiting += [")", child, "("]
    return (" " + "".join(out) if out else "").encode("ascii")
