"""Quick resynchronisation (RFC 7162 §3.2.5, §3.2.6): what changed and what vanished while a client was away."""

from collections.abc import Iterator
from itertools import islice

from mailproto.imap import responses
from mailproto.imap.commands import Resync
from mailproto.imap.message_set import MessageSet, Spans

from imap.core import places
from imap.core.session import Session

# FETCH responses that are said at once.
GROUP = 500


async def resync(session: Session, known: Resync) -> None:
    """After SELECT has described the mailbox, whose UIDVALIDITY is the one that the client knows."""
    view = session.need_selected().view
    spans = Spans([(1, view.uid_next)] if known.known_uids is None else known.known_uids.spans(view.uid_next))
    await tell_vanished(session, known.modseq, spans, above=_last_match(session, known))
    lines: list[bytes] = []
    for uid in view.changed_since(known.modseq):
        number = view.number_of(uid)
        if number is not None and uid in spans:
            lines.append(session.changed(number, uid))
        if len(lines) >= GROUP:
            await session.say(b"".join(lines))
            lines.clear()
    await session.say(b"".join(lines))


async def tell_vanished(session: Session, modseq: int, wanted: Spans, *, above: int = 0) -> None:
    """VANISHED (EARLIER) of those among these UIDs that are gone. Those that the session still shows are told later."""
    selected = session.need_selected()
    changes = await places.changes_since(session, selected.reach, modseq)
    gone = [
        uid
        for uid in changes.expunged
        if uid > above and uid in wanted and selected.view.number_of(uid) is None
    ]
    if gone:
        await session.say(responses.vanished(gone, earlier=True))


def _last_match(session: Session, known: Resync) -> int:
    """The highest UID of which the client knows the number: it knows of all that vanished below (RFC 7162 §3.2.5.2)."""
    if known.pairs is None:
        return 0
    view = session.need_selected().view
    numbers, uids = (_each(part) for part in known.pairs)
    highest = 0
    # There cannot be more pairs than messages.
    for number, uid in zip(islice(numbers, view.messages), uids, strict=False):
        if view.number_of(uid) == number:
            highest = max(highest, uid)
    return highest


def _each(numbers: MessageSet) -> Iterator[int]:
    """The numbers of a set one by one."""
    for low, high in numbers.spans(0):
        yield from range(low, high + 1)
