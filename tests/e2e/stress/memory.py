"""The memory of every process of an installation over time, and whether it grows."""

import statistics
import time
from collections import defaultdict

import psutil
from posthouse.supervisor import state

from tests.support.platform import Platform

# Stores keep caches on purpose; ours are judged.
STORES = ("postgres", "nats", "seaweedfs")
# Caches fill and arenas settle in the first part of a run.
WARM_SHARE = 0.3
# What may be added over the rest of it, in octets, or as a share of all.
GROWTH_OCTETS = 16 << 20
GROWTH_SHARE = 0.10
FEWEST = 20


class Memory:
    """RSS by process name."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._started = time.monotonic()
        self._samples: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def sample(self) -> None:
        """Look once. A process that is another one than before begins anew."""
        running = state.read(self._platform.layout)
        assert running is not None
        for process in running.processes:
            try:
                octets = psutil.Process(process.pid).memory_info().rss
            except psutil.Error:
                continue
            name = f"{process.name} ({process.pid})"
            self._samples[name].append((time.monotonic() - self._started, octets))

    def growing(self) -> list[str]:
        """What grows, in words; prints a line for each process."""
        found = []
        for name, samples in self._samples.items():
            warm = samples[int(len(samples) * WARM_SHARE) :]
            first, last = samples[0][1], samples[-1][1]
            line = f"  {name:24} {first / 2**20:7.1f} -> {last / 2**20:7.1f} MiB"
            if len(warm) >= FEWEST:
                times, octets = zip(*warm, strict=True)
                slope = statistics.linear_regression(times, octets).slope
                growth = slope * (times[-1] - times[0])
                line += f", {growth / 2**20:+.1f} MiB by the trend of the last {times[-1] - times[0]:.0f} s"
                allowed = max(GROWTH_OCTETS, GROWTH_SHARE * statistics.median(octets))
                if growth > allowed and not name.startswith(STORES):
                    found.append(line.strip())
            print(line)
        return found
