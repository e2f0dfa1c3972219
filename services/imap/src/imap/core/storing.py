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
from imap.core.features import Feature
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
    """Change flags and tell the new ones, unless the client wants silence; the new MODSEQ is told all the same."""
    selected = session.need_writable()
    uids = session.uids(command.numbers, command.by)
    change = FlagChange(ACTIONS[command.action], _flags(command.flags))
    modified: list[int] = []
    try:
        if command.unchanged_since is None:
            entries = await session.store.store_flags(session.account, selected.mailbox_id, uids, change)
        else:
            await session.enable(Feature.CONDSTORE)
            outcome = await session.store.store_flags_unless_changed(
                session.account, selected.mailbox_id, uids, change, command.unchanged_since
            )
            entries, modified = outcome.entries, outcome.modified
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    session.told(entries)
    if session.tells_modseqs:
        # A client takes the highest MODSEQ it sees for what it knows: what others did before is told with it.
        session.is_stale = True
    if command.echo is Echo.TELL or session.tells_modseqs:
        await session.say(b"".join(_stored(session, command, entry.uid) for entry in entries))
    if modified:
        numbers = modified
        if command.by is By.SEQUENCE:
            numbers = [number for uid in modified if (number := selected.view.number_of(uid)) is not None]
        return ok("Some have changed meanwhile", f"MODIFIED {compact(numbers).decode()}")
    return ok("STORE completed")


def _stored(session: Session, command: Store, uid: int) -> bytes:
    view = session.need_selected().view
    number = view.number_of(uid)
    if number is None:
        return b""
    words = []
    if command.by is By.UID or session.tells_modseqs:
        words.append(b"UID %d" % uid)
    if command.echo is Echo.TELL:
        words.append(b"FLAGS " + session.flags(uid))
    if session.tells_modseqs:
        words.append(b"MODSEQ (%d)" % view.modseq_of(uid))
    return b"* %d FETCH (%b)\r\n" % (number, b" ".join(words))


async def expunge(session: Session, command: UidExpunge | None) -> Answer:
    """Remove what is \\Deleted, all of it or of these UIDs only."""
    selected = session.need_writable()
    uids = session.uids(command.uids, By.UID) if command is not None else None
    try:
        gone = await session.store.expunge(session.account, selected.mailbox_id, uids)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    await session.refresh(MayExpunge.YES)
    return ok("EXPUNGE completed", _highest(session) if gone else "")


def _highest(session: Session) -> str:
    """What a client that resynchronises may take for known: all of it has been told (RFC 7162 §3.2.7)."""
    if Feature.QRESYNC not in session.features or session.selected is None:
        return ""
    return f"HIGHESTMODSEQ {session.selected.view.highest_modseq}"


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
    return ok("MOVE completed", _highest(session) if result.pairs else "")


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
