"""A small HTTPS server on loopback for tests: fixed answers by path; it keeps what was asked and posted."""

import http.server
import ssl
import threading
from dataclasses import dataclass
from types import TracebackType


@dataclass
class Page:
    """What a path answers. `octets` may be more than anybody wants."""

    body: bytes = b""
    status: int = 200
    media_type: str = "text/plain"
    location: str = ""


class HttpsHost:
    """Whatever its Host field says; paths that are not there are 404."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.posted: list[tuple[str, str, bytes]] = []
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(f"{self.headers['Host']}{self.path}")
                self._answer(host.pages.get(self.path, Page(status=404)))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                host.posted.append((self.path, self.headers["Content-Type"], body))
                self._answer(host.pages.get(self.path, Page(status=404)))

            def _answer(self, page: Page) -> None:
                self.send_response(page.status)
                self.send_header("Content-Type", page.media_type)
                self.send_header("Content-Length", str(len(page.body)))
                if page.location:
                    self.send_header("Location", page.location)
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> "HttpsHost":
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
