"""Whose CPU time it is: each store by its name, PostgreSQL's processes by what they do."""

import re

import psutil


def part_of(process: psutil.Process) -> str:
    """Such as nats-server, or `postgres queue_app`. Raises psutil.NoSuchProcess."""
    title = " ".join(process.cmdline())
    if (backend := re.match(r"postgres: (\w+) \w+ [\w.:\[\]]+(\(\d+\))? ", title)) is not None:
        return f"postgres {backend[1]}"
    if (worker := re.match(r"postgres: ([a-z][a-z ]*[a-z])", title)) is not None:
        return f"postgres {worker[1]}"
    return process.name()


def seconds_by_part(roots: list[int]) -> dict[str, float]:
    """User and system time of the trees under these process ids; what ended in between is its parent's."""
    found: dict[str, float] = {}
    for root in roots:
        for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
            try:
                part, times = part_of(process), process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            seconds = times.user + times.system + times.children_user + times.children_system
            found[part] = found.get(part, 0.0) + seconds
    return found


def more(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was used in between, the biggest first."""
    used = {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}
    return dict(sorted(used.items(), key=lambda each: -each[1]))
