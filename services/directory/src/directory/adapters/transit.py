"""Key-encryption keys that a server keeps: whoever speaks the API of Vault's transit secrets engine.

The key there is of the type aes256-gcm96; the place of a data key goes along as associated data. Rotation is the
server's (`vault write -f transit/keys/NAME/rotate`), and so is that old versions go (`min_decryption_version`).

The token comes out of a file, which an agent may write anew at any time.
"""

import asyncio
import base64
import binascii
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from servicekit.settings import read_secret

from directory.core.data_keys import ProviderUnavailable, Unwrappable, Wrapped

ANSWER_SECONDS = 3.0
ANSWER_OCTETS = 64 * 1024


class Transit:
    """Satisfies core.data_keys.KeyProvider."""

    def __init__(self, url: str, key: str, token_file: Path, trusted: ssl.SSLContext) -> None:
        """`url` ends with where the engine is mounted: https://vault.example.org:8200/v1/transit."""
        self._url = url.rstrip("/")
        self._key = key
        self._token_file = token_file
        self._client = httpx.AsyncClient(
            verify=trusted, timeout=ANSWER_SECONDS, trust_env=False, follow_redirects=False
        )

    async def close(self) -> None:
        """No more questions."""
        await self._client.aclose()

    async def current(self) -> str:
        said = await self._ask("GET", f"keys/{quote(self._key, safe='')}")
        version = said.get("latest_version")
        if not isinstance(version, int):
            raise ProviderUnavailable("the key provider does not say which version is the latest")
        return self._name(f"v{version}")

    async def wrap(self, secret: bytes, place: str) -> Wrapped:
        said = await self._ask(
            "POST",
            f"encrypt/{quote(self._key, safe='')}",
            {"plaintext": _base64(secret), "associated_data": _base64(place.encode())},
        )
        text = said.get("ciphertext")
        parts = text.split(":", 2) if isinstance(text, str) else []
        if len(parts) != 3:
            raise ProviderUnavailable("the key provider gave no ciphertext")
        return Wrapped(self._name(parts[1]), str(text).encode())

    async def unwrap(self, wrapped: Wrapped, place: str) -> bytes:
        said = await self._ask(
            "POST",
            f"decrypt/{quote(self._key, safe='')}",
            {
                "ciphertext": wrapped.octets.decode(errors="replace"),
                "associated_data": _base64(place.encode()),
            },
        )
        try:
            return base64.b64decode(str(said.get("plaintext", "")), validate=True)
        except binascii.Error as error:
            raise ProviderUnavailable("the key provider gave no plaintext") from error

    def _name(self, version: str) -> str:
        return f"{self._key}:{version}"

    async def _ask(
        self, method: str, path: str, content: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, said = await self._answer(method, path, content)
        except (httpx.HTTPError, OSError, TimeoutError, ValueError) as error:
            raise ProviderUnavailable(f"the key provider does not answer: {type(error).__name__}") from error
        if status == 400 and path.startswith("decrypt/"):
            # Also where the version that wrapped it may decrypt no more.
            raise Unwrappable("the key provider does not decrypt it")
        data = said.get("data") if isinstance(said, dict) else None
        if status != 200 or not isinstance(data, dict):
            raise ProviderUnavailable(f"the key provider answers {status}")
        return data

    async def _answer(self, method: str, path: str, content: Mapping[str, str] | None) -> tuple[int, Any]:
        answer = await self._client.request(
            method,
            f"{self._url}/{path}",
            json=content,
            headers={"X-Vault-Token": read_secret(self._token_file)},
        )
        if len(answer.content) > ANSWER_OCTETS:
            raise ValueError("too much")
        return answer.status_code, answer.json()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
