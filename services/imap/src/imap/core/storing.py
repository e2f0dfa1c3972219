"""STORE, EXPUNGE, UID EXPUNGE, COPY, MOVE, APPEND (RFC 3501 §6.4.6, §6.4.3, §6.4.7, §6.3.11; RFC 4315; RFC 6851)."""

import asyncio
from datetime import UTC, datetime

from mailmodel import FlagAction, FlagChange, Flags
from mailmodel.flags import KEYWORD_OCTETS, KEYWORDS_A_MESSAGE
from mailmodel.view import MayExpunge
from mailmsg.facts import examine
from mailproto.imap import responses
from mailproto.imap.commands import Append, By, Copy, Echo, Move, Store, StoreAction, UidExpunge
from mailproto.imap.message_set import compact
from mailstore import CopyResult, MailboxMissing, MailboxNameInvalid, NewMessage

from imap.core.answer import NO_MAILBOX, Answer, Bad, No, ok
from imap.core.session import Session

ACTIONS = {
    StoreAction.ADD: FlagAction.ADD,
    StoreAction.REMOVE: FlagAction.REMOVE,
    StoreAction.REPLACE: FlagAction.REPLACE,
}
# From this size on the parser works in a thread, so that no other session waits for it.
THREAD_OCTETS = 512 * 1024


def _flags(names: tuple[str, ...]) -> Flags:
    if len(names) > KEYWORDS_A_MESSAGE or any(len(name) > KEYWORD_OCTETS for name in names):
        raise No("Too many keywords, or one is too long", "LIMIT")
    return Flags.from_wire(names)


async def store(session: Session, command: Store) -> Answer:
    """Change flags and tell the new ones, unless the client wants silence."""
    selected = session.need_writable()
    uids = session.uids(command.numbers, command.by)
    change = FlagChange(ACTIONS[command.action], _flags(command.flags))
    try:
        entries = await session.store.store_flags(session.account, selected.mailbox_id, uids, change)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    session.told(entries)
    if command.echo is Echo.TELL:
        lines = []
        for entry in entries:
            number = selected.view.number_of(entry.uid)
            if number is not None:
                uid = b"UID %d " % entry.uid if command.by is By.UID else b""
                lines.append(b"* %d FETCH (%bFLAGS %b)\r\n" % (number, uid, session.flags(entry.uid)))
        await session.say(b"".join(lines))
    return ok("STORE completed")


async def expunge(session: Session, command: UidExpunge | None) -> Answer:
    """Remove what is \\Deleted, all of it or of these UIDs only."""
    selected = session.need_writable()
    uids = session.uids(command.uids, By.UID) if command is not None else None
    try:
        await session.store.expunge(session.account, selected.mailbox_id, uids)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    await session.refresh(MayExpunge.YES)
    return ok("EXPUNGE completed")


async def _target(session: Session, name: str) -> int:
    try:
        found = await session.store.get_mailbox(session.account, name)
    except MailboxNameInvalid as error:
        raise No(str(error), "CANNOT") from None
    if found is None:
        raise No("There is no such mailbox; create it first", "TRYCREATE")
    return found.mailbox_id


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
    target = await _target(session, command.mailbox)
    try:
        result = await session.store.copy(session.account, selected.mailbox_id, uids, target)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    return ok("COPY completed", _copy_code(result))


async def move(session: Session, command: Move) -> Answer:
    """COPYUID comes before the expunges (RFC 6851 §4.3)."""
    selected = session.need_writable()
    uids = session.uids(command.numbers, command.by)
    target = await _target(session, command.mailbox)
    if target == selected.mailbox_id:
        raise No("The messages are there already", "CANNOT")
    try:
        result = await session.store.move(session.account, selected.mailbox_id, uids, target)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    if result.pairs:
        await session.say(responses.untagged("OK", "Moved", _copy_code(result)))
    await session.refresh(MayExpunge.YES)
    return ok("MOVE completed")


async def append(session: Session, command: Append) -> Answer:
    """The message as the client sent it; nothing is put before it."""
    content = command.content
    if b"\0" in content:
        raise Bad("A message holds no NUL")
    flags = _flags(command.flags)
    target = await _target(session, command.mailbox)
    facts = await asyncio.to_thread(examine, content) if len(content) >= THREAD_OCTETS else examine(content)
    body = await session.store.put_body(session.account, content)
    new = NewMessage(
        body=body,
        prefix=b"",
        facts=facts,
        internal_date=command.internal_date or datetime.now(UTC),
        flags=flags,
    )
    try:
        [uid] = await session.store.append(session.account, target, [new])
    except MailboxMissing:
        raise No("There is no such mailbox; create it first", "TRYCREATE") from None
    found = await session.store.get_mailbox(session.account, command.mailbox)
    code = f"APPENDUID {found.uid_validity} {uid}" if found is not None else ""
    if session.selected is not None and session.selected.mailbox_id == target:
        session.is_stale = True
    return ok("APPEND completed", code)
