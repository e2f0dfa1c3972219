"""Whether a stored object may go: nobody reads it, nobody waits for it, and nothing of it is unsettled."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from spool import Envelope

Key = tuple[str, str]


def may_go(
    envelopes: Sequence[Envelope],
    filed: AbstractSet[Key],
    held: Mapping[Key, bool],
    remembered_since: datetime,
) -> bool:
    """By the envelopes of its records; no mailbox shows any of them.

    `filed`: what is settled here, by (queue id, address); `held`: what the queue knows, True where it waits still.
    What arrived before `remembered_since` may be settled without anybody's knowing it any more: nothing would put it
    back on its way (`posthouse respool` does not look so far), so it may go where nobody waits for it.
    """
    waiting = {queue_id for (queue_id, _), waits in held.items() if waits}
    for envelope in envelopes:
        if envelope.queue_id in waiting:
            return False
        if envelope.arrived_at < remembered_since:
            continue
        if any(
            (envelope.queue_id, each.address) not in filed and (envelope.queue_id, each.address) not in held
            for each in envelope.recipients
        ):
            return False
    return True
