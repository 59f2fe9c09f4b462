"""What a process, or those that it started, took of time and memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil

Measured = dict[str, float]

_EVERY_S = 1.0
_TRIAL = "ray::ImplicitFunc"
"""What Ray Tune calls the process of a trial."""


def peak_mb() -> float:
    """The most memory that this process had at once, resident.

    As Linux counts it from its program's first line on: `ru_maxrss` begins with what the parent had when it forked.
    """
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


class Meter:
    """Seconds of this process's parts, and the most memory that it had by their ends, beyond what it began with."""

    def __init__(self) -> None:
        self._before_mb = peak_mb()
        self._seconds: Measured = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[f"{name}_s"] = time.perf_counter() - started

    @property
    def found(self) -> Measured:
        added = peak_mb() - self._before_mb
        return {**self._seconds, "beyond the imports_mb": added, "imports alone, MB": self._before_mb}


class WorkerMemory:
    """Looks every second at what the trials' workers under this process have for themselves: resident less shared.

    What they share are libraries, which are in memory once, and the object store.
    """

    def __init__(self) -> None:
        self.largest_mb = 0.0
        """Of one worker."""
        self.together_mb = 0.0
        """Of all workers at one time."""
        self.most = 0
        """Workers at one time."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> WorkerMemory:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            own = [mb for process in psutil.Process().children(recursive=True) if (mb := _worker_mb(process))]
            self.largest_mb = max([self.largest_mb, *own])
            self.together_mb = max(self.together_mb, sum(own))
            self.most = max(self.most, len(own))


def _worker_mb(process: psutil.Process) -> float:
    """0 for one that is no worker at work, or is gone."""
    try:
        if not "".join(process.cmdline()).startswith(_TRIAL):
            return 0.0
        memory = process.memory_info()
        return float(memory.rss - memory.shared) / 2**20
    except psutil.Error:
        return 0.0
