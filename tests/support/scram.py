"""A SCRAM-SHA-256 client (RFC 5802) for tests, in base64 lines; it knows nothing of our server's code."""

import base64
import hashlib
import hmac


class ScramClient:
    """One exchange: `first`, then `answer` to the server's first, then `check` what the server says last."""

    def __init__(
        self,
        login: str,
        password: str,
        nonce: str = "a-nonce-of-the-client",
        *,
        flag: str = "n",
        bound: bytes = b"",
    ) -> None:
        self._header, self._bound = f"{flag},,", bound
        self._password = password.encode()
        self._bare = f"n={login.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        self._nonce = nonce
        self._server_signature = b""

    def first(self) -> bytes:
        return base64.b64encode(f"{self._header}{self._bare}".encode())

    def answer(self, line: bytes) -> bytes:
        """`line` is the server's base64, without what the protocol puts before it."""
        server_first = base64.b64decode(line).decode()
        attributes = dict(part.split("=", 1) for part in server_first.split(","))
        assert attributes["r"].startswith(self._nonce)
        assert len(attributes["r"]) > len(self._nonce) + 16
        salt, iterations = base64.b64decode(attributes["s"]), int(attributes["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        binding = base64.b64encode(self._header.encode() + self._bound).decode()
        without_proof = f"c={binding},r={attributes['r']}"
        signed = ",".join((self._bare, server_first, without_proof)).encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self._server_signature = hmac.digest(server_key, signed, "sha256")
        return base64.b64encode(f"{without_proof},p={base64.b64encode(proof).decode()}".encode())

    def check(self, line: bytes) -> None:
        """The server knows the password too."""
        assert base64.b64decode(line) == b"v=" + base64.b64encode(self._server_signature)
