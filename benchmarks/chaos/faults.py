"""The faults. Each strikes a running search once, and says whether it did."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import BinaryIO

import psutil

from benchmarks.chaos.search import Search, command_of
from trainables.layout import SearchFolder

_SOON_S = 20.0


def _driver(search: Search) -> bool:
    search.kill_driver()
    return True


def _worker(search: Search) -> bool:
    for training in search.trainings():
        training.send_signal(signal.SIGKILL)
        return True
    return False


def _node(search: Search) -> bool:
    """With its raylet the one node that there is goes, and the driver with it."""
    for process in search.processes():
        if command_of(process).startswith("raylet"):
            process.send_signal(signal.SIGKILL)
            search.wait(lambda: not search.alive())
            return True
    return False


def _cluster_node(search: Search) -> bool:
    """The node on which the trials run goes, and another comes; the driver lives elsewhere."""
    assert search.nodes is not None
    if not search.trainings():
        return False
    search.nodes.replace()
    return True


def _worker_writing(search: Search) -> bool:
    """In the middle of a checkpoint: the training is halted when its temporary file is seen, and killed if it is."""
    deadline = time.monotonic() + _SOON_S
    while time.monotonic() < deadline and search.alive():
        for temporary in search.out.glob("trials/*/fold*/.checkpoint.safetensors.*.tmp"):
            pid = int(temporary.name.split(".")[-2])
            for training in search.trainings():
                if training.pid == pid and _killed_while(training, temporary.exists):
                    return True
        time.sleep(0.001)
    return False


def _killed_while(process: psutil.Process, so: Callable[[], bool]) -> bool:
    process.suspend()
    if so():
        process.kill()
        return True
    process.resume()
    return False


def _truncated(search: Search) -> bool:
    """The newest checkpoint is cut in half while nobody looks."""
    search.kill_driver()
    path = search.newest_checkpoint()
    if path:
        os.truncate(path, path.stat().st_size // 2)
    return path is not None


def _deleted(search: Search) -> bool:
    search.kill_driver()
    path = search.newest_checkpoint()
    if path:
        path.unlink()
    return path is not None


def _rungs_torn(search: Search) -> bool:
    search.kill_driver()
    rungs = SearchFolder(search.out).rungs
    if rungs.exists():
        rungs.write_bytes(rungs.read_bytes()[:40])
    return rungs.exists()


def _nan(search: Search) -> bool:
    """One step's loss (see site/sitecustomize.py)."""
    taken = search.nan_flag.with_suffix(".taken")
    taken.unlink(missing_ok=True)
    search.nan_flag.touch()
    search.wait(taken.exists)
    search.nan_flag.unlink(missing_ok=True)
    return taken.exists()


def _full_disk(search: Search) -> bool:
    """Full to the last byte, until the driver gives up."""
    ballast = search.out / "ballast"
    with ballast.open("wb", buffering=0) as file:

        def still_full() -> bool:
            _fill(file)
            return False

        search.wait(still_full)
    search.wait_for_the_end()
    ballast.unlink()
    return True


def _fill(file: BinaryIO) -> None:
    for size in (1 << 20, 1 << 12):
        try:
            while True:
                file.write(bytes(size))
        except OSError:
            continue


FAULTS: dict[str, Callable[[Search], bool]] = {
    "driver": _driver,
    "worker": _worker,
    "node": _node,
    "cluster_node": _cluster_node,
    "worker_writing": _worker_writing,
    "truncated": _truncated,
    "deleted": _deleted,
    "rungs_torn": _rungs_torn,
    "nan": _nan,
    "full_disk": _full_disk,
}
"""SIGKILL to the driver, to a training, to Ray's own process on the only node, to a node of a cluster, to a training
that writes its checkpoint; files that are harmed while the driver is dead; a loss that is NaN once; no room left."""
