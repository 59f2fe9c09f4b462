"""The driver and its workers: `cluster.tuner.search` as `benchmarks.scale` has it, with epochs that take no time."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.growth.measuring import Measured, WorkerMemory
from search_spaces.errors import InputError

_EPOCHS = 12
_SLOTS_A_NODE = 16
_TRIALS = 128
"""Where it is the workers whose number grows: two for each of the most."""


def with_trials(size: int, folder: Path) -> Measured:
    """On 16 slots of four nodes."""
    return _search(size, nodes=4, slots=4, out=folder / f"trials-{size}")


def with_workers(size: int, folder: Path) -> Measured:
    nodes = -(-size // _SLOTS_A_NODE)
    if size % nodes:
        raise InputError(f"workers must be a multiple of their nodes, {nodes} of {_SLOTS_A_NODE} slots, got {size}")
    return _search(_TRIALS, nodes=nodes, slots=size // nodes, out=folder / f"workers-{size}")


def _search(trials: int, nodes: int, slots: int, out: Path) -> Measured:
    """Once as many trials have begun as there are workers, or as there are trials."""
    from benchmarks import scale  # Ray and the driver, which no other subject is to have in memory

    together = min(trials, nodes * slots)
    asked = argparse.Namespace(out=out, trials=trials, epochs=_EPOCHS, nodes=nodes, slots=slots, together=together)
    with WorkerMemory() as workers:
        found = scale.one(asked, "ours")
    after_s = found["seconds"] - found["begun_s"]
    return {
        "until all workers have begun_s": found["begun_s"],
        "from then on, wall-clock_s": after_s,
        "driver, CPU_s": found["cpu_s"],
        "driver, beyond what it had before_mb": found["added_mb"],
        "all workers, without torch_mb": workers.together_mb,
        "largest worker, without torch_mb": workers.largest_mb,
        "driver, MB in all": found["memory_mb"],
        "driver, CPU ms a report": 1000 * found["cpu_s"] / found["reports"],
        "reports a second, from then on": found["reports"] / after_s,
        "reports": found["reports"],
        "workers": workers.most,
    }
