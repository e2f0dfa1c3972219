"""Which of the installed distributions a service does not need, one a line, for pip to uninstall.

    python unneeded.py imap

The lock holds what development, the embedded stack and the tests need too. What a
service needs is said by its pyproject.toml and by those of what it names, so that no
list of names has to be kept here.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(service: str) -> set[str]:
    """Names of what a distribution requires, itself included, through all steps. Raises PackageNotFoundError."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(service), "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found.add(name)
        for line in distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                wanted = canonicalize_name(requirement.name)
                waiting += [(wanted, each) for each in ("", *requirement.extras)]
    return found


def main() -> None:
    try:
        kept = needed(sys.argv[1])
    except PackageNotFoundError as error:
        raise SystemExit(f"{sys.argv[1]} needs {error.name}, which is not installed") from None
    installed = {canonicalize_name(each.metadata["Name"]) for each in distributions()}
    # pip takes itself away last.
    print("\n".join(sorted(installed - kept - {"pip"})))


if __name__ == "__main__":
    main()
