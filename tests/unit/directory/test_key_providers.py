"""Who keeps key-encryption keys: a file, a server with Vault's transit API, or nobody."""

import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from directory.adapters.keyring import Keyring
from directory.adapters.transit import Transit
from directory.core.data_keys import (
    KeyProvider,
    NoKeyProvider,
    NoProvider,
    ProviderUnavailable,
    Unwrappable,
    Wrapped,
    place_of,
)
from directory.settings import Settings
from pydantic import ValidationError
from servicekit.sealing import SecretWeak

from tests.support.transit import TOKEN, TransitServer

OLD, NEW = "an old secret of the platform", "a new secret of the platform"
PLACE = place_of("11111111-1111-1111-1111-111111111111", 1)


def write(file: Path, *secrets: str) -> None:
    """Anew, as an editor or an operator's tool would."""
    draft = file.with_suffix(".draft")
    draft.write_text("".join(each + "\n" for each in secrets))
    draft.replace(file)


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    file = tmp_path / "keyring"
    write(file, OLD)
    return file


@pytest.fixture
async def transit(tmp_path: Path) -> AsyncIterator[tuple[TransitServer, Transit]]:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    with TransitServer().serving() as server:
        client = Transit(server.url, "posthouse", token, ssl.create_default_context())
        yield server, client
        await client.close()


@pytest.mark.parametrize("kind", ["file", "server"])
async def test_a_wrapped_key_opens_in_its_place_only(
    kind: str, ring: Path, transit: tuple[TransitServer, Transit]
) -> None:
    provider: KeyProvider = Keyring(ring) if kind == "file" else transit[1]
    secret = os.urandom(32)
    wrapped = await provider.wrap(secret, PLACE)
    assert secret not in wrapped.octets
    assert wrapped.with_ == await provider.current()
    assert await provider.unwrap(wrapped, PLACE) == secret
    with pytest.raises(Unwrappable):
        await provider.unwrap(wrapped, place_of("11111111-1111-1111-1111-111111111111", 2))
    with pytest.raises(Unwrappable):
        await provider.unwrap(wrapped, place_of("22222222-2222-2222-2222-222222222222", 1))
    altered = bytes([*wrapped.octets[:-5], wrapped.octets[-5] ^ 1, *wrapped.octets[-4:]])
    with pytest.raises(Unwrappable):
        await provider.unwrap(Wrapped(wrapped.with_, altered), PLACE)


async def test_a_file_is_read_again_when_it_changes(ring: Path) -> None:
    provider = Keyring(ring)
    old = await provider.wrap(b"k" * 32, PLACE)
    write(ring, NEW, OLD)
    assert await provider.unwrap(old, PLACE) == b"k" * 32
    new = await provider.wrap(b"k" * 32, PLACE)
    assert new.with_ != old.with_
    write(ring, NEW)
    assert await provider.unwrap(new, PLACE) == b"k" * 32
    with pytest.raises(Unwrappable):
        await provider.unwrap(old, PLACE)


async def test_a_worse_file_is_not_taken(ring: Path) -> None:
    provider = Keyring(ring)
    wrapped = await provider.wrap(b"k" * 32, PLACE)
    write(ring, "short")
    assert await provider.unwrap(wrapped, PLACE) == b"k" * 32
    ring.unlink()
    assert await provider.unwrap(wrapped, PLACE) == b"k" * 32
    write(ring, NEW)
    assert await provider.current() != wrapped.with_
    with pytest.raises(OSError, match="nowhere"):
        Keyring(ring.parent / "nowhere")
    write(ring, "short")
    with pytest.raises(SecretWeak):
        Keyring(ring)


async def test_versions_of_a_server(transit: tuple[TransitServer, Transit]) -> None:
    server, provider = transit
    old = await provider.wrap(b"k" * 32, PLACE)
    assert old.with_ == "posthouse:v1"
    server.rotate()
    assert await provider.current() == "posthouse:v2"
    assert await provider.unwrap(old, PLACE) == b"k" * 32
    server.rotate(forget_older=True)
    with pytest.raises(Unwrappable):
        await provider.unwrap(old, PLACE)


async def test_a_server_that_is_away_or_refuses(
    transit: tuple[TransitServer, Transit], tmp_path: Path
) -> None:
    server, provider = transit
    wrapped = await provider.wrap(b"k" * 32, PLACE)
    server.away = True
    for attempt in (provider.current(), provider.wrap(b"k", PLACE), provider.unwrap(wrapped, PLACE)):
        with pytest.raises(ProviderUnavailable):
            await attempt
    server.away = False
    (tmp_path / "token").write_text("another token\n")
    with pytest.raises(ProviderUnavailable, match="403"):
        await provider.current()
    # An agent renewed it.
    (tmp_path / "token").write_text(TOKEN)
    assert await provider.unwrap(wrapped, PLACE) == b"k" * 32
    nobody = Transit(
        "http://127.0.0.1:1/v1/transit", "posthouse", tmp_path / "token", ssl.create_default_context()
    )
    with pytest.raises(ProviderUnavailable):
        await nobody.current()
    await nobody.close()


async def test_nobody_set_one_up() -> None:
    provider = NoProvider()
    for attempt in (provider.current(), provider.wrap(b"", ""), provider.unwrap(Wrapped("", b""), "")):
        with pytest.raises(NoKeyProvider, match="DIRECTORY_KEY_ENCRYPTION_FILE"):
            await attempt


def test_settings_name_one_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "some"
    file.write_text("x")
    base = {"DIRECTORY_NATS_URL": "nats://x", "DIRECTORY_DATABASE_DSN_FILE": str(file)}
    for name, value in base.items():
        monkeypatch.setenv(name, value)
    Settings()
    monkeypatch.setenv("DIRECTORY_TRANSIT_URL", "https://vault.test/v1/transit")
    with pytest.raises(ValidationError, match="together"):
        Settings()
    monkeypatch.setenv("DIRECTORY_TRANSIT_TOKEN_FILE", str(file))
    Settings()
    monkeypatch.setenv("DIRECTORY_KEY_ENCRYPTION_FILE", str(file))
    with pytest.raises(ValidationError, match="not both"):
        Settings()
