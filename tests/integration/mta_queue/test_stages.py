"""Every stage of a session: 421, silence, a closed connection, nonsense; what becomes of the message, and of the host."""

from collections.abc import Iterator

import pytest
from blobstore import BlobStore
from mta_queue import metrics
from mta_queue.core.outcome import Verdict

from tests.integration.mta_queue.test_relay import letter, relay
from tests.support.certificates import server_context
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import CLOSE, STALL, SmtpSink

STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "content")


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.mx("y.test", "mx.y.test")
        yield server


@pytest.fixture
def blobs(engines: Engines) -> BlobStore:
    return engines.seaweed.store()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "answer", ["421 4.3.2 closing", STALL, CLOSE, "451 4.3.0 later", "550 5.7.1 no", "nonsense", "999 what"]
)
async def test_what_each_stage_may_say(dns: DnsServer, blobs: BlobStore, stage: str, answer: str) -> None:
    uncertain = metrics.UNCERTAIN._value.get()
    with SmtpSink(script={stage: answer}) as sink:
        one = relay(dns, blobs, sink.port, reply_seconds=0.3)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
        await one.close()
    [outcome] = delivery.outcomes
    is_final = answer.startswith("5") and stage in ("MAIL", "RCPT", "DATA", "content")
    # A server that knows only HELO gets that (RFC 5321 §3.2).
    is_old = answer.startswith("5") and stage == "EHLO"
    expected = Verdict.FAILED if is_final else Verdict.DELIVERED if is_old else Verdict.DEFERRED
    assert outcome.verdict is expected, outcome
    assert len(sink.taken) == is_old
    # Who greets and then says nothing more is not there for any message.
    is_away = (stage == "greeting" and answer in (STALL, CLOSE)) or (stage == "EHLO" and answer == STALL)
    assert (delivery.dead_until is not None) == is_away
    # After the final dot nobody knows; before it everybody does.
    is_uncertain = stage == "content" and answer in (STALL, CLOSE, "nonsense", "999 what")
    assert metrics.UNCERTAIN._value.get() - uncertain == is_uncertain


@pytest.mark.parametrize("answer", ["421 4.3.2 closing", STALL, CLOSE, "454 4.7.0 not now", "502 what"])
async def test_starttls_may_fail_too(dns: DnsServer, blobs: BlobStore, answer: str) -> None:
    import trustme

    context = server_context(trustme.CA().issue_cert("mx.y.test"))
    with SmtpSink(script={"STARTTLS": answer}, tls=context) as sink:
        one = relay(dns, blobs, sink.port, reply_seconds=0.3)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
        await one.close()
    # Offered and refused: opportunistic TLS goes on in clear; a broken session waits.
    is_refused = answer[:3] in ("454", "502")
    assert delivery.outcomes[0].verdict is (Verdict.DELIVERED if is_refused else Verdict.DEFERRED)


async def test_octets_injected_before_tls_end_the_session(dns: DnsServer, blobs: BlobStore) -> None:
    """RFC 3207 §4.2, and the attack on clients that read on: what came in clear is not taken for an answer in TLS."""
    import trustme

    context = server_context(trustme.CA().issue_cert("mx.y.test"))
    injected = "220 2.0.0 go\r\n250-injected\r\n250 SIZE 1"
    with SmtpSink(script={"STARTTLS": injected}, tls=context) as sink:
        one = relay(dns, blobs, sink.port, reply_seconds=0.3)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
        await one.close()
    assert delivery.outcomes[0].verdict is Verdict.DEFERRED
    assert sink.taken == []


@pytest.mark.parametrize(("answer", "hosts_asked"), [("nonsense", 1), (CLOSE, 1), ("421 4.3.2 closing", 2)])
async def test_what_may_have_been_taken_goes_to_no_other_host_at_once(
    dns: DnsServer, blobs: BlobStore, answer: str, hosts_asked: int
) -> None:
    dns.mx("other.test", "mx2.y.test")
    dns.set("y.test", "MX", "10 mx.y.test.", "20 mx2.y.test.")
    with SmtpSink(script={"content": answer}) as sink:
        one = relay(dns, blobs, sink.port, reply_seconds=0.3)
        delivery = await one.deliver(await letter(blobs, "a@y.test"), "y.test", ("a@y.test",))
        await one.close()
    assert delivery.outcomes[0].verdict is Verdict.DEFERRED
    assert len(sink.sessions) == hosts_asked
