"""What Ray Tune is told of a trial."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainables import ray_trial
from trainables.data.place import DataPlace
from trainables.scores import METRICS, shown
from trainables.setting import Setting


def test_the_driver_is_told_what_it_reads_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """ASHA and budgets read epoch, metric, seconds and whether it diverged; the table two numbers with their errors."""
    row = {
        "epoch": 1,
        "seconds": 2.0,
        "diverged": False,
        "host": "here",
        "train_loss": 0.7,
        "fold_hash": "0",
        "lr": 0.1,
    }
    row |= {name: 0.5 for metric in METRICS for name in (metric, f"{metric}_se")}

    def trained(*_asked: Any) -> Iterator[dict[str, Any]]:
        yield row
        yield {"epoch": 2, "seconds": 2.0, "diverged": True}

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(ray_trial, "train_in_search", trained)
    monkeypatch.setattr(ray_trial.tune, "report", told.append)
    config = {"trial": 3, "cpus": 1, "gpus": 0.0}
    ray_trial.run_trial(config, data=DataPlace("digits"), out=Path("OUT"), setting=Setting())
    read = {"epoch", "seconds", "diverged", *METRICS}
    read |= {f"{name}_se" for metric in METRICS for name in shown(metric)}
    assert set(told[0]) == read == set(row) - {"host", "train_loss", "fold_hash", "lr"}
    assert told[1] == {"epoch": 2, "seconds": 2.0, "diverged": True}
