"""Key-encryption keys out of a file: one secret a line, the first one wraps, all of them unwrap.

The file is read again when it has changed, so that a new secret on top, or an old one taken out, holds without a
restart. A file that is worse than the one before (gone, empty, too weak) is not taken.
"""

from pathlib import Path

from servicekit import logs
from servicekit.sealing import Sealer, SecretWeak, Unopened
from servicekit.settings import read_secret

from directory.core.data_keys import ProviderUnavailable, Unwrappable, Wrapped

LOG = logs.logger("directory.keyring")
PURPOSE = "data keys of tenants"


class Keyring:
    """Satisfies core.data_keys.KeyProvider. Raises SecretWeak, OSError where the file is no keyring at the start."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = self._stamp()
        self._sealer = self._read()

    async def current(self) -> str:
        return self._now().current

    async def wrap(self, secret: bytes, place: str) -> Wrapped:
        sealer = self._now()
        return Wrapped(sealer.current, sealer.seal(secret, (place,)))

    async def unwrap(self, wrapped: Wrapped, place: str) -> bytes:
        try:
            return self._now().open(wrapped.octets, (place,))
        except Unopened as error:
            raise Unwrappable(str(error)) from error

    def _now(self) -> Sealer:
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._sealer, self._seen = self._read(), stamp
        except (OSError, SecretWeak) as error:
            LOG.error("keyring_not_read", error=str(error))
            if self._sealer is None:
                raise ProviderUnavailable("the keyring cannot be read") from error
        return self._sealer

    def _stamp(self) -> tuple[int, int, int]:
        found = self._file.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Sealer:
        lines = (line.strip() for line in read_secret(self._file).splitlines())
        return Sealer([line for line in lines if line], PURPOSE)
