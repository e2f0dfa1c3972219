"""REQUIRETLS (RFC 8689 §4.2.1): only to hosts whose name is vouched for, that prove it, and that promise the same."""

from dataclasses import replace

import pytest
import trustme
from mailproto.smtp.wishes import TlsWish, Wishes
from mta_queue.core.outcome import Verdict
from senderauth.mtasts import StsMode
from spool import SpooledLetter

from tests.integration.mta_queue.test_relay import letter
from tests.integration.mta_queue.test_tls import (
    GOOD,
    HOST,
    OLD,
    OTHER_NAME,
    UNKNOWN,
    World,
    blobs,
    dns,
    sts,
    world,
)
from tests.support.certificates import server_context
from tests.support.sink import Answer, SmtpSink

__all__ = ["blobs", "dns", "world"]
PROMISES: dict[str, Answer] = {"EHLO": "250-sink.test\r\n250-STARTTLS\r\n250-REQUIRETLS\r\n250 SIZE 60000000"}
PROMISES_NOTHING: dict[str, Answer] = {"EHLO": "250-sink.test\r\n250-STARTTLS\r\n250 SIZE 60000000"}


async def required(world: World, reverse_path: str = "sender@ours.test") -> SpooledLetter:
    sent = await letter(world.blobs, "a@y.test")
    wishes = Wishes(tls=TlsWish.REQUIRED)
    return replace(sent, envelope=replace(sent.envelope, wishes=wishes, reverse_path=reverse_path))


async def outcome(
    world: World, sink: SmtpSink, reverse_path: str = "sender@ours.test"
) -> tuple[Verdict, str]:
    [found] = (await world.send(sink, await required(world, reverse_path))).outcomes
    return found.verdict, found.status


async def test_it_is_sent_where_everything_is_as_it_must_be(world: World) -> None:
    with SmtpSink(tls=server_context(GOOD), script=PROMISES) as sink:
        assert await outcome(world, sink) == (Verdict.DELIVERED, "2.0.0")
    [session] = sink.sessions
    assert any(line.startswith("MAIL") and line.endswith(" REQUIRETLS") for line in session)


@pytest.mark.parametrize("leaf", [OLD, OTHER_NAME, UNKNOWN, None])
async def test_a_host_that_does_not_prove_who_it_is(world: World, leaf: trustme.LeafCert | None) -> None:
    context = server_context(leaf) if leaf is not None else None
    script: dict[str, Answer] = PROMISES if leaf is not None else {"EHLO": "250-sink.test\r\n250 REQUIRETLS"}
    with SmtpSink(tls=context, script=script) as sink:
        assert await outcome(world, sink) == (Verdict.FAILED, "5.7.10")
    assert sink.taken == []


async def test_a_host_that_does_not_promise_the_same(world: World) -> None:
    with SmtpSink(tls=server_context(GOOD), script=PROMISES_NOTHING) as sink:
        assert await outcome(world, sink) == (Verdict.FAILED, "5.7.30")
    assert sink.taken == []


async def test_a_name_that_nothing_vouches_for(world: World) -> None:
    world.dns.signed = set()
    with SmtpSink(tls=server_context(GOOD), script=PROMISES) as sink:
        assert await outcome(world, sink) == (Verdict.FAILED, "5.7.10")
        assert sink.taken == []
        for mode in (StsMode.TESTING, StsMode.ENFORCE):
            world.sts = sts(mode)
            assert (await outcome(world, sink))[0] is Verdict.DELIVERED
        world.sts = sts(StsMode.TESTING, "other.test")
        assert await outcome(world, sink) == (Verdict.FAILED, "5.7.10")


async def test_a_host_that_is_away_may_come_to_do_it(world: World) -> None:
    world.dns.set("y.test", "MX", f"10 {HOST}", "20 away.y.test")
    world.dns.set("away.y.test", "A", "127.0.0.9")
    with SmtpSink(tls=server_context(GOOD), script=PROMISES_NOTHING) as sink:
        assert (await outcome(world, sink))[0] is Verdict.DEFERRED


async def test_a_notice_goes_on_all_the_same(world: World) -> None:
    with SmtpSink(tls=server_context(UNKNOWN), script=PROMISES_NOTHING) as sink:
        assert await outcome(world, sink, "") == (Verdict.DELIVERED, "2.0.0")
