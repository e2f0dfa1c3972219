"""The data folder of one installation, and the secrets in it."""

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from posthouse.errors import Problem

NEEDED_OCTETS = 1 << 30


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths under the data folder."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def credentials_file(self) -> Path:
        return self.root / "credentials.txt"

    @property
    def token_file(self) -> Path:
        return self.secrets / "operator-token"

    def prepare(self) -> None:
        """Make the folders. Raises Problem where the disk is full or not writable."""
        try:
            # Others may pass through: PostgreSQL runs as another user when we are root.
            self.root.mkdir(parents=True, exist_ok=True, mode=0o711)
            for folder in (self.logs, self.run, self.secrets, self.tls):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise Problem(f"the data folder {self.root} cannot be made: {error.strerror}.") from error
        free = shutil.disk_usage(self.root).free
        if free < NEEDED_OCTETS:
            raise Problem(
                f"only {free >> 20} MiB are free on the disk of {self.root}, and 1024 MiB are needed; "
                "free some, or choose another folder with --data."
            )

    def secret(self, name: str) -> str:
        """A random secret that stays the same, readable for the owner only. Raises Problem where it got lost."""
        path = self.secrets / name
        if not path.exists():
            self.write_private(path, secrets.token_urlsafe(24) + "\n")
        text = path.read_text(encoding="utf-8").strip()
        if not text:
            # A new one would open nothing that was kept with the old one.
            raise Problem(f"the secret in {path} is gone: the file is empty. Put it back from a backup.")
        return text

    def write_private(self, path: Path, text: str) -> Path:
        """Write a file that only the owner can read; on the disk when this returns.

        What is kept with a secret outlives a power cut, so the secret must.
        """
        draft = path.with_name(path.name + ".draft")
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path
