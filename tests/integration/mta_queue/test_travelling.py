"""A time limit and a priority on the wire: passed on to systems that know them, told to the sender where they do not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from mailproto.smtp.wishes import ByMode, DeliverBy, Relayed, Wishes
from mta_queue.core.outcome import Verdict

from tests.integration.mta_queue.test_relay import letter
from tests.integration.mta_queue.test_tls import World, blobs, dns, world
from tests.support.sink import SmtpSink

__all__ = ["blobs", "dns", "world"]
KNOWS = "250-sink.test\r\n250-DELIVERBY 60\r\n250-MT-PRIORITY\r\n250 SIZE 60000000"


@pytest.mark.parametrize(
    ("mode", "seconds", "ehlo", "verdict", "status", "relayed"),
    [
        (ByMode.NOTIFY, 600, KNOWS, Verdict.DELIVERED, "2.0.0", Relayed.UNTOLD),
        (ByMode.NOTIFY, -600, KNOWS, Verdict.DELIVERED, "2.0.0", Relayed.UNTOLD),
        (ByMode.NOTIFY, 600, "250 sink.test", Verdict.DELIVERED, "2.0.0", Relayed.TOLD),
        (ByMode.RETURN, 600, KNOWS, Verdict.DELIVERED, "2.0.0", Relayed.UNTOLD),
        (ByMode.RETURN, 30, KNOWS, Verdict.FAILED, "5.3.3", Relayed.UNTOLD),
        (ByMode.RETURN, 600, "250 sink.test", Verdict.FAILED, "5.3.3", Relayed.UNTOLD),
    ],
)
async def test_a_time_limit_on_the_wire(
    world: World, mode: ByMode, seconds: int, ehlo: str, verdict: Verdict, status: str, relayed: Relayed
) -> None:
    by = DeliverBy(datetime.now(UTC) + timedelta(seconds=seconds), mode)
    sent = await letter(world.blobs, "a@y.test")
    sent = replace(sent, envelope=replace(sent.envelope, wishes=Wishes(deliver_by=by, priority=-4)))
    with SmtpSink(script={"EHLO": ehlo}) as sink:
        [outcome] = (await world.send(sink, sent)).outcomes
    assert (outcome.verdict, outcome.status) == (verdict, status)
    assert verdict is Verdict.FAILED or outcome.relayed is relayed
    said = [line for session in sink.sessions for line in session if line.startswith("MAIL")]
    if verdict is Verdict.FAILED:
        assert said == []
    elif ehlo == KNOWS:
        [mail] = said
        left = int(mail.partition(" BY=")[2].partition(";")[0])
        assert seconds - 30 <= left <= seconds
        assert f";{mode.value} MT-PRIORITY=-4" in mail
    else:
        assert "BY=" not in said[0]
