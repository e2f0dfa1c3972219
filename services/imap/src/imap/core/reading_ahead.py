"""Who fetches one message a command, one after the other, is given the next ones from memory: their rows are read ahead.

What a row holds never changes. A message that another session expunges meanwhile may still be told of until that is
announced (RFC 2180 §4.1); once this session has heard of it, what was read ahead is forgotten.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from mailmodel import AccountRef
from mailmodel.view import SessionView
from mailstore import Columns, MailStore, StoredMessage

# Rows have up to some kilobytes.
AHEAD = 32
NOTHING = Columns(0)


@dataclass
class Ahead:
    """Rows of a selected mailbox."""

    columns: Columns = NOTHING
    rows: dict[int, StoredMessage] = field(default_factory=dict)
    last_uid: int = 0

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
