"""The one file of this package that names Ray: a trial as Ray Tune sees it, and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune

from trainables.data.place import DataPlace
from trainables.layout import SearchFolder
from trainables.setting import Setting
from trainables.train import train_in_search


def run_trial(config: dict[str, Any], *, data: DataPlace, out: Path, setting: Setting) -> None:
    """Train trial `config["trial"]` of the search in `out` on fold 0, on so many CPUs and GPUs, and report each epoch.

    Ray Tune ends a trial that the scheduler stops inside `tune.report`, by SystemExit.
    """
    here = setting.on(config["cpus"], config["gpus"])
    for row in train_in_search(data, SearchFolder(out), config["trial"], 0, here):
        tune.report(row)
