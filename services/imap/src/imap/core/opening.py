"""Telling that a user has opened messages, where their senders may know (RFC 8098; `AccountSettings.mdn`).

A message is taken for opened when it becomes \\Seen: by FETCH of its text, or by STORE from a program that fetches ahead.
What is marked in great numbers was not read but cleared away. What readers of a mailbox of others see is no sign that
its owner did.
"""

from collections.abc import Iterable, Sequence

from directoryclient import Unavailable
from mailmodel import Entry, FlagAction, FlagChange, SystemFlag
from mailmodel.view import SessionView

from imap.core.session import Session

ALWAYS = "always"
MOST_AT_ONCE = 10


def opened_by(view: SessionView, change: FlagChange, entries: Iterable[Entry]) -> list[int]:
    """The UIDs that a change has made \\Seen; `view` is as it was before."""
    if change.action is FlagAction.REMOVE or not change.flags.system & SystemFlag.SEEN:
        return []
    return [
        entry.uid
        for entry in entries
        if entry.flags.system & SystemFlag.SEEN and not view.flags_of(entry.uid).system & SystemFlag.SEEN
    ]


async def tell_opened(session: Session, uids: Sequence[int]) -> None:
    """Where the account has chosen that senders are told; not where that cannot be asked now."""
    reach = session.need_selected().reach
    if session.opened is None or session.policies is None or reach.reader_id:
        return
    if not 0 < len(uids) <= MOST_AT_ONCE:
        return
    try:
        chosen = await session.policies.of_account(session.account.account_id)
    except Unavailable:
        return
    if chosen.mdn == ALWAYS:
        session.opened(session.account, reach.mailbox_id, uids)
