"""gRPC as our services speak it: the pings of an idle channel are welcome."""

import asyncio
import struct

import pytest
from servicekit import rpc
from servicekit.run import Service
from servicekit.settings import ServiceSettings

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1


def frame(kind: int, flags: int, payload: bytes = b"") -> bytes:
    """On stream 0 (RFC 9113 §4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + bytes(4) + payload


async def next_frame(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    head = await reader.readexactly(9)
    return head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))


async def test_an_idle_channel_may_ping_as_often_as_ours_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "LEAST_PING_SECONDS", 0.01)
    service = Service("test", ServiceSettings())
    port = await rpc.serve_grpc(service, "127.0.0.1", 0, lambda _server: [], {})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(PREFACE + frame(SETTINGS, 0))
        for number in range(6):
            writer.write(frame(PING, 0, number.to_bytes(8, "big")))
            while True:
                kind, flags, payload = await asyncio.wait_for(next_frame(reader), 10)
                # A server that expects none says GOAWAY (too_many_pings), and the next call fails.
                assert kind != GOAWAY, payload
                if kind == SETTINGS and not flags & ACK:
                    writer.write(frame(SETTINGS, ACK))
                if kind == PING and flags & ACK:
                    assert payload == number.to_bytes(8, "big")
                    break
            await asyncio.sleep(0.05)
    finally:
        writer.close()
        for closer in reversed(service._closers):
            await closer()


def test_our_channels_ping_no_more_often_than_our_servers_expect() -> None:
    assert rpc.LEAST_PING_SECONDS < rpc.PING_SECONDS
