"""The one file of this package that names Ray: a trial as Ray Tune sees it, and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainables.imports import uncollected

with uncollected():  # a worker begins here
    from ray import tune

    from trainables.data.place import DataPlace
    from trainables.layout import SearchFolder
    from trainables.scores import METRICS
    from trainables.setting import Setting
    from trainables.train import train_in_search

TOLD = ("epoch", "diverged", "seconds", *METRICS, *(f"{metric}_se" for metric in METRICS))
"""What the driver is told of an epoch. `metrics.csv` has the whole row; of each number that is reported, Ray Tune keeps
a history for every trial, some 650 bytes that it writes down again and again."""


def run_trial(config: dict[str, Any], *, data: DataPlace, out: Path, setting: Setting) -> None:
    """Train trial `config["trial"]` of the search in `out` on fold 0, on so many CPUs and GPUs, and report each epoch.

    Ray Tune ends a trial that the scheduler stops inside `tune.report`, by SystemExit.
    """
    here = setting.on(config["cpus"], config["gpus"])
    for row in train_in_search(data, SearchFolder(out), config["trial"], 0, here):
        tune.report({name: value for name, value in row.items() if name in TOLD})
