"""APPEND, of one message or several at once (RFC 3501 §6.3.11, RFC 3502, RFC 3516 §4.4, RFC 4315 §3)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from blobstore import BodyReference
from mailmodel import Flags
from mailmodel.flags import KEYWORD_OCTETS, KEYWORDS_A_MESSAGE
from mailmodel.quota import Quota
from mailmodel.rights import INSERT
from mailmsg.facts import MessageFacts, examine
from mailmsg.header import header_end
from mailproto.imap.commands import Append, Catenated, NewText
from mailproto.imap.message_set import compact
from mailstore import MailboxMissing, MailboxNameInvalid, NewMessage

from imap.core.acting import Cause, tell_saved
from imap.core.answer import Answer, Bad, No, ok
from imap.core.features import Feature, Utf8
from imap.core.limits import refuse_more
from imap.core.linking import TOO_BIG, catenate, need_kept
from imap.core.naming import say_normal_form
from imap.core.places import Place, Reach, is_foreign, need
from imap.core.quotas import warn
from imap.core.session import Session
from imap.ports import LongText

# From this size on the parser works in a thread, so that no other session waits for it.
THREAD_OCTETS = 512 * 1024
CREATE_FIRST = ("There is no such mailbox; create it first", "TRYCREATE")


async def append(session: Session, command: Append) -> Answer:
    """The messages as the client sent them, all or none; nothing is put before them."""
    refuse_more(len(command.messages), session.limits.of_saving)
    try:
        file = _file_short if _are_short(session, command) else _file_any
        reach, uid_validity, uids, quota = await file(session, command)
    except MailboxMissing:
        raise No(*CREATE_FIRST) from None
    await tell_saved(session, reach, uids, Cause.APPEND)
    await warn(session, reach.owner, quota)
    await say_normal_form(session, command.mailbox)
    if session.selected is not None and session.selected.mailbox_id == reach.mailbox_id:
        session.is_stale = True
        session.put_there(uids)
    return ok("APPEND completed", appended_code(uid_validity, uids))


# Where they are, its UIDVALIDITY, their UIDs, and what its owner keeps now where that was counted.
_Filed = tuple[Reach, int, list[int], Quota | None]


def _are_short(session: Session, command: Append) -> bool:
    """Whether they go into a mailbox of one's own, and their bodies with them: then all is one turn to the store."""
    contents = [text.content for text in command.messages if isinstance(text.content, bytes)]
    return (
        len(contents) == len(command.messages)
        and session.store.may_wait(contents)
        and not is_foreign(command.mailbox)
    )


async def _file_short(session: Session, command: Append) -> _Filed:
    messages = await new_messages(session, command.messages)
    try:
        filed = await session.store.append_named(session.account, command.mailbox, messages)
    except MailboxNameInvalid as error:
        raise No(str(error), "CANNOT") from None
    return Reach(session.account, filed.mailbox_id), filed.uid_validity, filed.uids, filed.quota


async def _file_any(session: Session, command: Append) -> _Filed:
    """The mailbox is looked at before anything is put into the object storage."""
    target = await target_mailbox(session, command.mailbox)
    messages = await new_messages(session, command.messages)
    if target.is_own:
        uids = await session.store.append(session.account, target.info.mailbox_id, messages)
    else:
        uids = await session.store.append_to(target.reach.side, messages)
    return target.reach, target.info.uid_validity, uids, None


def appended_code(uid_validity: int, uids: list[int]) -> str:
    """APPENDUID (RFC 4315 §3). A mailbox keeps its UIDVALIDITY for life."""
    return f"APPENDUID {uid_validity} {compact(uids).decode()}"


def check_text(session: Session, text: NewText, content: bytes | LongText) -> None:
    """Raises No or Bad for what cannot be kept."""
    if not content:
        # RFC 3502 §6.3.11: so a client gives up what it has begun.
        raise No("An empty message is not kept; nothing was appended", "CANNOT")
    if b"\0" in content if isinstance(content, bytes) else content.has_nul:
        if text.is_binary:
            raise No("A message with NUL in it cannot be kept", "UNKNOWN-CTE")
        raise Bad("A message holds no NUL")
    if session.utf8 is Utf8.STRICT and Feature.UTF8 not in session.features:
        beginning = content if isinstance(content, bytes) else next(content.pieces(), b"")
        if not beginning[: header_end(beginning)].isascii():
            raise No("ENABLE UTF8=ACCEPT first: there is 8-bit text in the header", "CANNOT")
    given_flags(text.flags)


async def new_messages(session: Session, texts: Sequence[NewText]) -> list[NewMessage]:
    """Examined, their bodies stored. Raises No or Bad before anything is."""
    contents: list[bytes | LongText] = []
    made: list[LongText] = []
    octets = 0
    try:
        for text in texts:
            content = await _content(session, text)
            contents.append(content)
            if isinstance(text.content, Catenated) and not isinstance(content, bytes):
                made.append(content)
            # Of literals the reader counts so many in a command; a URL of a few characters may stand for as much.
            octets += len(content) if isinstance(content, bytes) else content.octets
            if octets > session.append_octets:
                raise No(*TOO_BIG)
        for text, content in zip(texts, contents, strict=True):
            check_text(session, text, content)
        facts = [await _facts(session, content) for content in contents]
        bodies = await _put(session, contents)
    finally:
        for each in made:
            each.close()
    return [
        NewMessage(
            body=body,
            prefix=b"",
            facts=found,
            internal_date=text.internal_date or datetime.now(UTC),
            flags=given_flags(text.flags),
        )
        for text, body, found in zip(texts, bodies, facts, strict=True)
    ]


async def _content(session: Session, text: NewText) -> bytes | LongText:
    if isinstance(text.content, Catenated):
        return await catenate(session, text.content)
    # A long literal is what the session's own maker of sinks has made.
    content = text.content if isinstance(text.content, bytes) else cast(LongText, text.content)
    need_kept(content)
    return content


async def _put(session: Session, contents: Sequence[bytes | LongText]) -> list[BodyReference]:
    """Small ones together, long ones each by itself."""
    short = iter(
        await session.store.put_bodies(
            session.account, [each for each in contents if isinstance(each, bytes)]
        )
    )
    return [
        next(short)
        if isinstance(each, bytes)
        else await session.store.put_file(session.account, each.file(), each.octets, each.digest)
        for each in contents
    ]


async def _facts(session: Session, content: bytes | LongText) -> MessageFacts:
    await session.turns.give_way()
    if not isinstance(content, bytes):
        return await asyncio.to_thread(_facts_of_file, content)
    if len(content) >= THREAD_OCTETS:
        return await asyncio.to_thread(examine, content)
    return examine(content)


def _facts_of_file(content: LongText) -> MessageFacts:
    with content.octets_of_file() as octets:
        return examine(octets)


def given_flags(names: tuple[str, ...]) -> Flags:
    """Flags that a client wrote. Raises No where they are too many or too long."""
    if len(names) > KEYWORDS_A_MESSAGE or any(len(name) > KEYWORD_OCTETS for name in names):
        raise No("Too many keywords, or one is too long", "LIMIT")
    return Flags.from_wire(names)


async def target_mailbox(session: Session, name: str) -> Place:
    """Where messages are to go. Raises No."""
    try:
        return await need(session, name, INSERT, CREATE_FIRST)
    except MailboxNameInvalid as error:
        raise No(str(error), "CANNOT") from None
