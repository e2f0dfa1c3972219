"""Clients that open a connection and do not say what they want."""

import asyncio
from typing import Any

import pytest
from admin_api.__main__ import http_config
from admin_api.edge import patience
from admin_api.settings import Settings
from fastapi import FastAPI
from uvicorn.server import ServerState

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """The client's side: whether it was cut off, and what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.cut, self.told = asyncio.Event(), asyncio.Event()

    def abort(self) -> None:
        self.cut.set()

    def write(self, data: Any) -> None:
        self.told.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return None

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


def connected(app: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[patience.PatientProtocol, Wire]:
    monkeypatch.setenv("ADMIN_API_TOKEN_FILE", "/nowhere")
    config = http_config(app, Settings())
    assert config.http is patience.PatientProtocol
    config.load()
    protocol = patience.PatientProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(wire)
    return protocol, wire


@pytest.mark.parametrize("said", [b"", b"POST / HTT", HEAD, HEAD + b"1"])
async def test_whoever_does_not_end_a_request_is_cut_off(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.02)
    protocol, wire = connected(FastAPI(), monkeypatch)
    if said:
        protocol.data_received(said)
    await asyncio.wait_for(wire.cut.wait(), 10.0)
    protocol.connection_lost(None)


async def test_an_answer_may_take_its_time_and_the_next_request_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await may_end.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    protocol, wire = connected(app, monkeypatch)
    protocol.data_received(HEAD + b"12")
    await begun.wait()
    protocol._lose_patience()
    assert not wire.cut.is_set()
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.02)
    may_end.set()
    await wire.told.wait()
    protocol.data_received(b"GET / HT")
    await asyncio.wait_for(wire.cut.wait(), 10.0)
    protocol.connection_lost(None)
