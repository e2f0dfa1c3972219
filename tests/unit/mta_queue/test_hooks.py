"""Webhooks: which URLs may be, how a request is signed, when it is tried again; what events say."""

import hashlib
import hmac
import json

import pytest
from mailproto.smtp.reply import Reply
from mta_queue.adapters.queue import firsts_events
from mta_queue.adapters.recording import FirstResult
from mta_queue.core.events import encode, of_results
from mta_queue.core.hooks import Hook, HookInvalid, again_seconds, check_events, check_url, signature
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.ports import TakenOver

from tests.support.queued import letter


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.example.com", ("hooks.example.com", "/")),
        ("https://Hooks.Example.com:443/a/b?c=d", ("hooks.example.com", "/a/b?c=d")),
    ],
)
def test_where_webhooks_may_be(url: str, expected: tuple[str, str]) -> None:
    assert check_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://",
        "https://localhost/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://hooks.example.com/\r\nHost: other",
        "https://hooks.example.com/ a",
        "https://hooks_.example..com/",
        "https://hooks.example.com:x/",
        "https://h\u00f6oks.example.com/",
        "https://hooks.example.com/" + "a" * 1000,
    ],
)
def test_where_they_may_not_be(url: str) -> None:
    with pytest.raises(HookInvalid):
        check_url(url)


def test_the_signature_is_over_the_time_and_the_body() -> None:
    made = signature(b"secret", 1_700_000_000, b'{"events":[]}')
    expected = hmac.new(b"secret", b'1700000000.{"events":[]}', hashlib.sha256).hexdigest()
    assert made == f"t=1700000000,v1={expected}"
    assert signature(b"secret", 1_700_000_001, b'{"events":[]}') != made


def test_waits_double_up_to_six_hours() -> None:
    assert [again_seconds(each) for each in (1, 2, 3)] == [30.0, 60.0, 120.0]
    assert again_seconds(500) == 6 * 3600


def test_a_webhook_hears_what_it_asked_for() -> None:
    check_events(["bounced", "complained"])
    with pytest.raises(HookInvalid, match="exploded"):
        check_events(["exploded"])
    assert Hook("h", frozenset()).wants("queued")
    assert not Hook("h", frozenset({"bounced"})).wants("queued")


def test_what_happened_in_order() -> None:
    spooled, payload = letter("a@x.test", "b@x.test", "c@x.test", "d@x.test")
    settled = [
        Outcome("a@x.test", Verdict.DELIVERED, Reply.of(250, "2.0.0", "ok"), "mx"),
        Outcome("b@x.test", Verdict.FAILED, Reply.of(550, "5.1.1", "User unknown"), "mx"),
        Outcome("c@x.test", Verdict.FAILED, Reply.of(550, "5.1.0", "Suppressed: manual on 2026-01-01"), ""),
    ]
    found = list(firsts_events([FirstResult(spooled.envelope, payload, settled, [], [])]))
    before = FirstResult(spooled.envelope, payload, settled, [], [], TakenOver.BEFORE)
    assert [each["type"] for each in firsts_events([before])] == [each["type"] for each in found[1:]]
    assert [each["type"] for each in found] == ["queued", "delivered", "bounced", "suppressed"]
    assert found[0]["recipients"] == ["a@x.test", "b@x.test", "c@x.test", "d@x.test"]
    assert found[2]["kind"] == "bad-mailbox"
    assert found[2]["reply"] == "550 5.1.1 User unknown"
    assert len({each["id"] for each in found}) == 4
    waits = Outcome("d@x.test", Verdict.DEFERRED, Reply.of(452, "4.2.2", "Mailbox full"), "mx")
    [deferred] = of_results(spooled.envelope, [], [], [waits], spooled.envelope.arrived_at)
    assert (deferred["type"], deferred["kind"]) == ("deferred", "mailbox-full")
    assert json.loads(encode(found))["events"] == found
