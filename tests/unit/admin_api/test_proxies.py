"""Whose word on the client's address is taken: that of listed proxies, and nobody else's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from admin_api.__main__ import http_config
from admin_api.settings import Settings
from fastapi import FastAPI, Request


def seen(proxies: tuple[str, ...], peer: str, *forwarded: str) -> str:
    """Who asks, as the application sees it behind everything that uvicorn puts before it."""
    app = FastAPI()

    @app.get("/")
    async def who(request: Request) -> str:
        assert request.client is not None
        return f"{request.url.scheme} {request.client.host}"

    settings = Settings.model_validate({"token_file": Path("token"), "proxy_networks": proxies})
    config = http_config(app, settings)
    config.load()
    headers = [(b"host", b"x"), (b"x-forwarded-proto", b"https")]
    headers += [(b"x-forwarded-for", each.encode()) for each in forwarded]
    scope: dict[str, object] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "scheme": "http",
    }
    scope |= {"headers": headers, "client": (peer, 4711), "server": ("127.0.0.1", 80), "http_version": "1.1"}
    scope |= {"asgi": {"version": "3.0"}}
    said: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        said.append(message.get("body", b""))

    asyncio.run(config.loaded_app(scope, receive, send))
    return b"".join(said).decode().strip('"')


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "192.0.2.7"])
def test_by_default_a_client_is_who_it_is(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # uvicorn would take it from the environment.
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert seen((), peer, "203.0.113.9") == f"http {peer}"


def test_a_listed_proxy_says_for_whom_it_asks() -> None:
    proxies = ("127.0.0.1", "10.0.0.0/8")
    assert seen(proxies, "127.0.0.1", "203.0.113.9") == "https 203.0.113.9"
    # What the client wrote itself stands before what the proxies wrote, and is not believed.
    assert seen(proxies, "127.0.0.1", "198.51.100.1", "203.0.113.9, 10.1.2.3") == "https 203.0.113.9"
    assert seen(proxies, "192.0.2.7", "203.0.113.9") == "http 192.0.2.7"
    assert seen(proxies, "10.9.9.9") == "https 10.9.9.9"
