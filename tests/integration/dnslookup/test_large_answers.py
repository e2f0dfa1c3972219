"""What strangers publish at length: it neither holds the process up nor fills its memory."""

import threading
from collections.abc import Iterator
from typing import Any

import dns.message
import pytest
from dnslookup import DnsUnavailable, Resolver, parse_servers
from dnslookup import server as bounded

from tests.support.dnsserver import DnsServer


@pytest.fixture
def zone() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.truncates = True
        yield server


def resolver(zone: DnsServer) -> Resolver:
    return Resolver(parse_servers(zone.address), deadline_seconds=5.0)


def addresses(count: int) -> list[str]:
    return [f"10.{number >> 8}.{number & 255}.1" for number in range(count)]


async def test_an_answer_larger_than_mail_has_use_for_is_left_unread(
    zone: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.set("huge.test", "A", *addresses(2100))
    zone.set("large.test", "A", *addresses(1900))
    read: list[int] = []
    from_wire = dns.message.from_wire

    def watched(wire: bytes, *rest: Any, **named: Any) -> dns.message.Message:
        read.append(len(wire))
        return from_wire(wire, *rest, **named)

    monkeypatch.setattr(dns.message, "from_wire", watched)
    asked = resolver(zone)
    with pytest.raises(DnsUnavailable):
        await asked.records("huge.test", "A")
    assert max(read, default=0) <= bounded.MOST_OCTETS
    # Once over UDP and once over TCP: the server is not asked for it again and again.
    assert len(zone.questions) == 2
    assert len(await asked.records("large.test", "A")) == 1900


async def test_a_long_answer_is_taken_apart_where_it_holds_nobody_up(
    zone: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.set("long.test", "A", *addresses(300))
    zone.set("usual.test", "A", *addresses(100))
    here = threading.current_thread()
    threads: dict[int, threading.Thread] = {}
    from_wire = dns.message.from_wire

    def watched(wire: bytes, *rest: Any, **named: Any) -> dns.message.Message:
        if len(wire) > 512:
            threads[len(wire)] = threading.current_thread()
        return from_wire(wire, *rest, **named)

    monkeypatch.setattr(dns.message, "from_wire", watched)
    asked = resolver(zone)
    assert len(await asked.records("usual.test", "A")) == 100
    assert len(await asked.records("long.test", "A")) == 300
    usual, long = (threads[size] for size in sorted(threads))
    assert usual is here
    assert long is not here


async def test_records_without_a_character_take_room_too(zone: DnsServer) -> None:
    zone.set("nowhere.test", "MX", *(f"{number} ." for number in range(101)))
    zone.set("void.test", "MX", "0 .", "1 .")
    asked = resolver(zone)
    for name in ("nowhere.test", "void.test"):
        await asked.records(name, "MX")
    assert asked.known_records("nowhere.test", "MX") is None
    assert asked.known_records("void.test", "MX") == ["", ""]
