"""Who fetches one message a command, one after the other, is given the next ones from memory: their rows are read ahead,
and with the octets of a small message those of the small ones behind it, by one request where they lie together.

What a row holds never changes. A message that another session expunges meanwhile may still be told of until that is
announced (RFC 2180 §4.1); once this session has heard of it, what was read ahead is forgotten.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from mailmodel import AccountRef
from mailmodel.view import SessionView
from mailstore import BodyPlace, Columns, MailStore, StoredMessage

from imap.core.runs import read_run, runs

# Rows have up to some kilobytes.
AHEAD = 32
NOTHING = Columns(0)
# What makes the responses of messages and their octets, in pieces.
Made = Callable[[Sequence[StoredMessage | BodyPlace], Sequence[bytes]], list[bytes]]


@dataclass(eq=False)
class Ahead:
    """Rows of a selected mailbox."""

    columns: Columns = NOTHING
    rows: dict[int, StoredMessage] = field(default_factory=dict)
    last_uid: int = 0
    # The last message whose octets were wanted.
    whole_uid: int = 0
    # What was made ready for a command, and of what (`wholes`).
    made_of: object = None
    made: Made | None = None

    def forget(self) -> None:
        """Something is gone, or the client waits."""
        self.rows.clear()

    def follow(self, view: SessionView, uid: int) -> list[int]:
        """What is to be read now that this message is asked for: the next ones too, where it follows the last."""
        number, last = view.number_of(uid), view.number_of(self.last_uid)
        if number is None or last is None or number != last + 1:
            return [uid]
        return [view.uid_of(each) for each in range(number, min(number + AHEAD, view.messages + 1))]


async def messages(
    store: MailStore,
    owner: AccountRef,
    mailbox_id: int,
    view: SessionView,
    ahead: Ahead,
    uids: Sequence[int],
    columns: Columns,
) -> AsyncIterator[list[StoredMessage]]:
    """As MailStore.fetch."""
    if len(uids) != 1:
        ahead.forget()
        async for stored in store.fetch(owner, mailbox_id, uids, columns):
            yield stored
        return
    [uid] = uids
    if ahead.columns != columns or uid not in ahead.rows:
        wanted = ahead.follow(view, uid)
        ahead.forget()
        ahead.columns = columns
        async for stored in store.fetch(owner, mailbox_id, wanted, columns):
            ahead.rows.update({message.uid: message for message in stored})
    ahead.last_uid = uid
    if uid in ahead.rows:
        yield [ahead.rows[uid]]


async def read_ahead(store: MailStore, ahead: Ahead, message: StoredMessage) -> bytes | None:
    """All of a small message that was read with those before it, or is now with those behind it.

    None for one that is to be read by itself, as far as it is wanted. Raises StoreUnavailable.
    """
    if message.uid == ahead.whole_uid:
        # Another part of the same.
        return None
    ahead.whole_uid = message.uid
    whole = store.prepared.take((ahead, message.uid))
    if whole is not None:
        return whole
    run = next(runs([row for uid, row in ahead.rows.items() if uid >= message.uid]), [])
    octets = sum(row.size_octets for row in run[1:])
    if not octets or run[0].uid != message.uid or not store.prepared.reserve(octets):
        return None
    try:
        read = await read_run(store, run)
        for row, each in zip(run[1:], read[1:], strict=True):
            if each is not None and len(each) <= octets:
                octets -= len(each)
                store.prepared.put((ahead, row.uid), each)
        return read[0]
    finally:
        store.prepared.release(octets)
