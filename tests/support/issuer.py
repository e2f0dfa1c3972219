"""An OpenID provider on this machine: real HTTPS, keys that change, tokens of all kinds."""

import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import trustme
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT = ("mail", "the client's secret")


class Issuer:
    """Runs while its block does. `ca` is what must be trusted; `asked` is every path that was asked for."""

    def __init__(self, ca: trustme.CA) -> None:
        self.ca = ca
        self.asked: list[str] = []
        self.keys: list[RSAKey | ECKey] = [RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})]
        self.opaque: dict[str, dict[str, Any]] = {}
        self.configuration: dict[str, Any] = {}
        self.status = 200
        self.redirect = ""
        self.padding = 0
        self.url = ""

    def rotate(self) -> None:
        """A new key; the old one is gone."""
        self.keys = [ECKey.generate_key("P-256", {"kid": f"key {len(self.asked)}", "use": "sig"})]

    def claims(self, address: str, now: datetime, **more: Any) -> dict[str, Any]:
        """Of a token that is right."""
        return {
            "iss": self.url,
            "aud": "mail",
            "sub": "248289761001",
            "email": address,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(hours=1)).timestamp()),
            "scope": "openid mail",
            **more,
        }

    def token(self, address: str, now: datetime, *, key: Any = None, header: Any = None, **more: Any) -> str:
        """A signed one. Claims that are None are left out."""
        key = key or self.keys[-1]
        algorithm = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key.key_type]
        head = {"alg": algorithm, "kid": key.kid, **(header or {})}
        claims = {
            name: value for name, value in self.claims(address, now, **more).items() if value is not None
        }
        return jwt.encode(head, claims, key, algorithms=[head["alg"]])

    def answer(
        self, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[int, dict[str, Any] | list[Any]]:
        """What it says."""
        if path.endswith("/.well-known/openid-configuration"):
            return 200, {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "introspection_endpoint": f"{self.url}/introspect",
                **self.configuration,
            }
        if path.endswith("/keys"):
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys], "x": "x" * self.padding}
        if path.endswith("/introspect") and method == "POST":
            basic = "Basic " + b64encode(":".join(CLIENT).encode()).decode()
            if headers.get("Authorization") != basic:
                return 401, {}
            token = parse_qs(body.decode())["token"][0]
            return 200, self.opaque.get(token, {"active": False})
        return 404, {}


@contextmanager
def running_issuer(folder: Path) -> Iterator[Issuer]:
    """On https://localhost:PORT/realm."""
    ca = trustme.CA()
    issuer = Issuer(ca)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            issuer.asked.append(self.path)
            status, said = issuer.answer(self.command, self.path, self.headers, self.rfile.read(length))
            text = json.dumps(said).encode()
            if issuer.redirect:
                status = 302
            self.send_response(issuer.status if status == 200 else status)
            if issuer.redirect:
                self.send_header("Location", issuer.redirect)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            return None

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            return None

    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    issuer.url = f"https://localhost:{server.server_port}/realm"
    ca.cert_pem.write_to_path(folder / "issuer-ca.pem")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
