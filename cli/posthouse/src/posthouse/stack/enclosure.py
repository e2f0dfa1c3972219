"""Programs that start others: all of them end when the first one does.

A child of ours dies with us (PR_SET_PDEATHSIG), but what it forks does not. In a
process namespace of its own the kernel sees to that: with its first process all
others end.
"""

import os
import signal
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Enclosure:
    """How to start a program so that nothing of it is left. Without `front` the machine does not allow it."""

    front: tuple[str, ...] = ()

    def wrap(self, argv: list[str]) -> list[str]:
        """The command line to use."""
        return [*self.front, "--", *argv] if self.front else argv

    @property
    def stop_signal(self) -> signal.Signals:
        """unshare(1) does not pass signals on; killed, it takes all with it."""
        return signal.SIGKILL if self.front else signal.SIGTERM


def enclosure() -> Enclosure:
    """What this machine allows."""
    front = ["unshare", "--pid", "--fork", "--kill-child=SIGKILL"]
    if os.geteuid() != 0:
        front += ["--user", "--map-current-user"]
    try:
        done = subprocess.run([*front, "--", "true"], capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return Enclosure()
    return Enclosure(tuple(front)) if done.returncode == 0 else Enclosure()
