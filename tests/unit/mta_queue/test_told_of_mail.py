"""What may be said of our mail: an answer to a copy is no bounce of it, and a notice travels as what it tells of did."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from blobstore import BodyReference
from mailmsg.facts import examine
from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT
from mailproto.smtp.reply import Reply
from mailproto.smtp.wishes import TlsWish, Wishes
from mta_queue.core.events import Event
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.edge.returns import Returns
from spool.codec import encode, facts_to_wire
from spool.verp import tag_of

from tests.support.mda_world import envelope_of
from tests.unit.mta_queue.test_notices import tell

ID = "01J0000000S7GEWGJZY8KRS7GD"
PLAIN = b"Subject: Re: offer\r\n\r\nMy server said 550 5.1.1 no such user to a friend of mine.\r\n"


class World:
    """What was relayed, the storage, and what was told."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    async def delivered(self, tenant_id: str, queue_ids: Sequence[str]) -> list[tuple[str, str]]:
        return [(ID, "bob@far.test")] if ID in queue_ids else []

    async def reported(self, events: Sequence[Event]) -> None:
        self.told += events

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        return PLAIN[offset : offset + length]

    async def wants(self, tenant_id: str) -> bool:
        return False


@pytest.mark.parametrize(("reverse_path", "said"), [("", "bounce"), ("bob@far.test", "other")])
async def test_who_answers_to_a_copys_reverse_path_has_not_sent_it_back(reverse_path: str, said: str) -> None:
    envelope = envelope_of(PLAIN)
    came_to = f"ann+v-{ID.lower()}{tag_of('bob@far.test')}@a.test"
    [mine] = envelope.recipients
    envelope = replace(
        envelope, reverse_path=reverse_path, recipients=(replace(mine, original_address=came_to),)
    )
    body = BodyReference("k", 0, len(PLAIN), envelope.digest)
    payload = encode(envelope, envelope.recipients, body, facts_to_wire(examine(PLAIN)))
    world = World()
    it = cast(Any, world)
    assert await Returns(it, it, world.wants, it, 30.0, it).look(payload) == said
    assert len(world.told) == (said == "bounce")


@pytest.mark.parametrize("tls", list(TlsWish))
def test_a_notice_of_what_had_to_travel_in_tls_travels_so(tls: TlsWish) -> None:
    """RFC 8689 §5."""
    failed = Outcome("b@b.test", Verdict.FAILED, Reply.of(550, "5.1.1", "nobody"), "mx.b.test")
    [notice] = tell([failed], {"b@b.test": RECIPIENT_DEFAULT}, wishes=Wishes(tls=tls)).letters
    assert notice.wishes.tls is tls
