"""CPU seconds of a tree of processes, those included that have ended and were waited for."""

import psutil


def tree_seconds(roots: list[int]) -> float:
    """User and system time of the trees under these process ids."""
    total = 0.0
    seen: set[int] = set()
    for root in roots:
        try:
            process = psutil.Process(root)
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for member in family:
            if member.pid in seen:
                continue
            seen.add(member.pid)
            try:
                times = member.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system + times.children_user + times.children_system
    return total


def tree_octets(roots: list[int]) -> int:
    """Proportional set size of the trees (shared pages counted once)."""
    total = 0
    for root in roots:
        try:
            process = psutil.Process(root)
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for member in family:
            try:
                total += member.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    return total
