"""/metrics, /healthz and /readyz of every process.

/healthz says that the event loop turns; /readyz asks what the service said it
depends on, each within two seconds.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from servicekit.tcp import Connection

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS = 2.0
REQUEST_LIMIT_OCTETS = 8192
# For all of it: who dribbles must not keep the place of whoever asks whether we are ready.
REQUEST_SECONDS = 10.0


class StatusPages:
    """Answers the three GET requests; everything else is 404."""

    def __init__(self, draining: asyncio.Event) -> None:
        self._draining = draining
        self._checks: dict[str, Check] = {}
        self.started = False

    def add(self, name: str, check: Check) -> None:
        """Let /readyz depend on a check that raises while something is unwell."""
        self._checks[name] = check

    async def readiness(self) -> dict[str, str]:
        """What is unwell, by name; empty when ready."""
        unwell = {}
        if not self.started:
            unwell["service"] = "starting"
        if self._draining.is_set():
            unwell["service"] = "draining"
        results = await asyncio.gather(*(_outcome(check) for check in self._checks.values()))
        for name, outcome in zip(self._checks, results, strict=True):
            if outcome is not None:
                unwell[name] = outcome
        return unwell

    async def handle(self, connection: Connection) -> None:
        """One request a connection."""
        request = b""
        async with asyncio.timeout(REQUEST_SECONDS):
            while b"\r\n\r\n" not in request and len(request) < REQUEST_LIMIT_OCTETS:
                data = await connection.read(REQUEST_SECONDS)
                if not data:
                    return
                request += data
        words = request.split(b"\r\n", 1)[0].split(b" ")
        path = words[1].split(b"?", 1)[0] if len(words) >= 2 else b""
        if words[0] != b"GET":
            _answer(connection, "405 Method Not Allowed", "text/plain", b"only GET\n")
        elif path == b"/metrics":
            _answer(connection, "200 OK", CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
        elif path == b"/healthz":
            _answer(connection, "200 OK", "application/json", b'{"status":"alive"}\n')
        elif path == b"/readyz":
            unwell = await self.readiness()
            body = json.dumps({"status": "unready" if unwell else "ready", "unwell": unwell}).encode() + b"\n"
            _answer(connection, "503 Service Unavailable" if unwell else "200 OK", "application/json", body)
        else:
            _answer(connection, "404 Not Found", "text/plain", b"/metrics, /healthz or /readyz\n")


async def _outcome(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def _answer(connection: Connection, status: str, content_type: str, body: bytes) -> None:
    connection.write(
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode()
        + body
    )
