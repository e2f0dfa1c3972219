"""A server that speaks as much of Vault's transit API as encrypts, decrypts and tells the latest version of a key."""

import base64
import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "a token for the transit engine"


class TransitServer:
    """One key called posthouse; each version is one of `keys`."""

    def __init__(self) -> None:
        self.keys = [os.urandom(32)]
        self.least = 1
        self.away = False
        self.requests: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1/transit"

    def rotate(self, *, forget_older: bool = False) -> None:
        self.keys.append(os.urandom(32))
        if forget_older:
            self.least = len(self.keys)

    def answer(self, path: str, token: str, content: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.requests.append(path)
        if self.away:
            return 503, {"errors": ["Vault is sealed"]}
        if token != TOKEN:
            return 403, {"errors": ["permission denied"]}
        bound = base64.b64decode(content.get("associated_data", ""))
        if path == "/v1/transit/keys/posthouse":
            return 200, {"data": {"latest_version": len(self.keys), "type": "aes256-gcm96"}}
        if path == "/v1/transit/encrypt/posthouse":
            nonce = os.urandom(12)
            sealed = AESGCM(self.keys[-1]).encrypt(nonce, base64.b64decode(content["plaintext"]), bound)
            text = base64.b64encode(nonce + sealed).decode()
            return 200, {"data": {"ciphertext": f"vault:v{len(self.keys)}:{text}"}}
        if path == "/v1/transit/decrypt/posthouse":
            _, version, text = content["ciphertext"].split(":")
            try:
                number, data = int(version[1:]), base64.b64decode(text, validate=True)
            except ValueError:
                return 400, {"errors": ["invalid ciphertext: could not decode base64"]}
            if number < self.least:
                return 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]}
            try:
                opened = AESGCM(self.keys[number - 1]).decrypt(data[:12], data[12:], bound)
            except InvalidTag:
                return 400, {"errors": ["cipher: message authentication failed"]}
            return 200, {"data": {"plaintext": base64.b64encode(opened).decode()}}
        return 404, {"errors": []}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        transit = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say({})

            def do_POST(self) -> None:
                self._say(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _say(self, content: dict[str, str]) -> None:
                status, said = transit.answer(self.path, self.headers.get("X-Vault-Token", ""), content)
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        return Handler

    @contextlib.contextmanager
    def serving(self) -> Iterator["TransitServer"]:
        thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()
