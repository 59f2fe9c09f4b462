"""The driver and its workers: `cluster.tuner.search` as `benchmarks.scale` has it, with epochs that take no time."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.growth.measuring import Measured, WorkerMemory

_EPOCHS = 12
_SLOTS_A_NODE = 16
_TRIALS = 128
"""Where it is the workers whose number grows: two for each of the most."""


def with_trials(size: int, folder: Path) -> Measured:
    """On 16 slots of four nodes."""
    return _search(size, nodes=4, slots=4, out=folder / f"trials-{size}")


def with_workers(size: int, folder: Path) -> Measured:
    nodes = -(-size // _SLOTS_A_NODE)
    return _search(_TRIALS, nodes=nodes, slots=size // nodes, out=folder / f"workers-{size}")


def _search(trials: int, nodes: int, slots: int, out: Path) -> Measured:
    from benchmarks import scale  # Ray and the driver, which no other subject is to have in memory

    asked = argparse.Namespace(out=out, trials=trials, epochs=_EPOCHS, nodes=nodes, slots=slots)
    with WorkerMemory() as workers:
        found = scale.one(asked, "ours")
    return {
        "driver, wall-clock_s": found["seconds"],
        "driver, CPU_s": found["cpu_s"],
        "driver, by the search_mb": found["added_mb"],
        "all workers, without torch_mb": workers.together_mb,
        "largest worker, without torch_mb": workers.largest_mb,
        "driver, CPU ms a report": 1000 * found["cpu_s"] / found["reports"],
        "driver, MB in all": found["memory_mb"],
        "workers at work at one time": workers.most,
        "reports": found["reports"],
    }
