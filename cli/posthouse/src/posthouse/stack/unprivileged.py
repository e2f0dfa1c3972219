"""Who runs what must not run as root: an ordinary user that is there already.

PostgreSQL refuses to run as root; scanners look at what strangers send and should not.
"""

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posthouse.errors import Problem

CANDIDATES = ("postgres", "nobody", "daemon")


@dataclass(frozen=True, slots=True)
class RunAs:
    """How to start a program as somebody; without a user it is started as it is."""

    uid: int | None = None
    gid: int | None = None
    passes_closed_folders: bool = False

    def wrap(self, argv: list[str]) -> list[str]:
        """The command line to use."""
        if self.uid is None:
            return argv
        # The signal at our death must be set after the change of user, which clears it.
        front = [
            *("setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"),
            *("--pdeathsig", "SIGKILL"),
        ]
        if self.passes_closed_folders:
            front += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return [*front, "--", *argv]

    def own(self, folder: Path) -> None:
        """Give a folder to that user."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def choose(*must_reach: Path, users: Sequence[str] = CANDIDATES) -> RunAs:
    """Nobody in particular for an ordinary user; an unprivileged user for root. Raises Problem.

    Where a parent folder is closed to others (a checkout under /root, say), the
    program gets the one capability that lets it read past that.
    """
    if os.geteuid() != 0:
        return RunAs()
    if shutil.which("setpriv") is None:
        raise Problem(
            "setpriv (Debian package util-linux) is missing; as root it is needed to run the stores as somebody else."
        )
    for name in users:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        closed = any(_closed(path) for path in must_reach)
        return RunAs(user.pw_uid, user.pw_gid, closed)
    raise Problem(
        f"there is none of the users {', '.join(users)}, and what is started here must not run as root."
    )


def _closed(path: Path) -> bool:
    path = path.resolve()
    return any(folder.exists() and not folder.stat().st_mode & 0o001 for folder in path.parents)
