"""A client has so long to say all of a request; then its connection is cut.

uvicorn waits for ever for the first request of a connection, for the rest of a header and for the rest of a body. Some of
our pages are the world's (/unsubscribe), and whoever opens connections and is silent would have all that the process may
open.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 30.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to waiting for the peer. How long an answer takes is ours to say."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop()
        self._patience = self.loop.call_later(REQUEST_SECONDS, self._lose_patience)

    def _stop(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            self.transport.abort()
