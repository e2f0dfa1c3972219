"""Processes of a service without the time that Python needs to begin: `python -m tests.support.nursery mda`.

It imports the service once and forks a process of it for each line that it reads: the file that the process writes its
log to. It answers with the process id. Whatever it has started dies with it.
"""

import ctypes
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path


class Nursery:
    """The nursery as its caller has it."""

    def __init__(self, service: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery", service],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)} | environment,
            preexec_fn=_die_with_parent,
        )

    def start(self, log: Path) -> int:
        """A new process; its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{log}\n".encode())
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        """With everything that it has started."""
        self._process.kill()
        self._process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    """Until its caller is gone."""
    service = importlib.import_module(f"{sys.argv[1]}.__main__")
    # The dead are of no interest.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        _die_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(line.strip(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        sys.argv[1:] = []
        service.main()
        os._exit(0)


if __name__ == "__main__":
    main()
