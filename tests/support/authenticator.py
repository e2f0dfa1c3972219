"""A WebAuthn authenticator in software: one key pair, and answers as browsers give them (WebAuthn Level 2 §6)."""

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class Authenticator:
    """`counts` is False for those whose counter stays 0."""

    def __init__(self, origin: str = "https://mail.example", counts: bool = True) -> None:
        self.origin = origin
        self.counts = counts
        self.counter = 0
        self.id = os.urandom(16)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def _data(self, domain: str, flags: int, more: bytes = b"") -> bytes:
        self.counter += self.counts
        return (
            hashlib.sha256(domain.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big") + more
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def create(self, options_json: str) -> str:
        """navigator.credentials.create"""
        options: Any = json.loads(options_json)
        point = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(key)
        data = self._data(options["rp"]["id"], PRESENT | VERIFIED | ATTESTED, attested)
        return self._response(
            clientDataJSON=encoded(self._client_data("webauthn.create", options["challenge"])),
            attestationObject=encoded(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
        )

    def get(self, options_json: str, domain: str | None = None) -> str:
        """navigator.credentials.get"""
        options: Any = json.loads(options_json)
        assert self.id in [urlsafe_b64decode(each["id"] + "==") for each in options["allowCredentials"]]
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._data(domain or options["rpId"], PRESENT | VERIFIED)
        signed = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._response(
            clientDataJSON=encoded(client_data), authenticatorData=encoded(data), signature=encoded(signed)
        )

    def _response(self, **response: str) -> str:
        return json.dumps(
            {"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key", "response": response}
        )
