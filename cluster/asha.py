"""ASHA (Li et al., arXiv 1810.05934) with exact rungs that survive the driver, on Ray's scheduler interface.

The rule is Ray's own stopping variant: at a rung a trial stops if its value is worse than the best 1/factor of the
values recorded there before it (the percentile is interpolated as numpy does); the first arrival and ties go on.
Nobody waits for anybody. What differs from Ray's class: rungs are whole numbers, a value is only ever recorded at
the rung that the trial reported, a diverged trial is never ranked, and the table is on disk after every decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from cluster.store import Store
from trainables.files import load_json, save_json
from trainables.scores import goodness
from trainables.trial import load_epochs

GRACE_EPOCHS = 2
REDUCTION_FACTOR = 3


def rung_epochs(epochs: int, grace: int = GRACE_EPOCHS, factor: int = REDUCTION_FACTOR) -> tuple[int, ...]:
    """Epochs at which a trial may be stopped: grace * factor^k, below `epochs`."""
    rungs = []
    epoch = grace
    while epoch < epochs:
        rungs.append(epoch)
        epoch *= factor
    return tuple(rungs)


def goes_on(good: float, ascending: Sequence[float], factor: int = REDUCTION_FACTOR) -> bool:
    """Whether a trial that is `good` (higher is better) passes a rung where these values, sorted, stood before it."""
    if not ascending:
        return True
    place = (len(ascending) - 1) * (1.0 - 1.0 / factor)
    below = math.floor(place)
    low, high, part = ascending[below], ascending[min(below + 1, len(ascending) - 1)], place - below
    # as numpy's percentile has it, to the bit, and without making an array of them
    return good >= (low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))


@dataclass(frozen=True)
class Report:
    """An epoch of a trial, as its folder has it."""

    trial: int
    epoch: int
    value: float
    ended_at: float
    """Seconds since 1970."""


@dataclass
class RungTable:
    """What every trial was worth at every rung, and which were stopped where. Kept in a JSON file."""

    path: Path
    metric: str
    rungs: tuple[int, ...]
    values: dict[int, dict[int, float]] = field(default_factory=dict)
    """By rung, then by trial; as the metric stands in tables."""
    stopped: dict[int, int] = field(default_factory=dict)
    """Epoch at which a trial was stopped."""

    @classmethod
    def rebuilt(cls, path: Path, metric: str, rungs: tuple[int, ...], reports: Sequence[Report]) -> RungTable:
        """The table from what the trials reported, in the order of their clocks, where the file is lost or torn.

        A trial that went on beyond a rung has passed it, whatever the rule says now of two reports in one moment.
        """
        table = cls(path, metric, rungs)
        furthest: dict[int, int] = {}
        for report in reports:
            furthest[report.trial] = max(report.epoch, furthest.get(report.trial, 0))
        for report in sorted(reports, key=lambda r: (r.ended_at, r.trial)):
            passes = table.judge(report.trial, report.epoch, report.value)
            if not passes and furthest[report.trial] > report.epoch:
                del table.stopped[report.trial]
        table.save()
        return table

    @classmethod
    def open(cls, path: Path, metric: str, rungs: tuple[int, ...]) -> RungTable:
        """The table of a search that goes on, or an empty one. Raises ValueError or KeyError where the file is torn."""
        table = cls(path, metric, rungs)
        if path.exists():
            stored = load_json(path)
            table.values = {int(r): {int(t): v for t, v in at.items()} for r, at in stored["values"].items()}
            table.stopped = {int(trial): epoch for trial, epoch in stored["stopped"].items()}
        return table

    def judge(self, trial: int, epoch: int, value: float) -> bool:
        """Record a trial's value and say whether it goes on. A second report of the same rung changes nothing."""
        if trial in self.stopped:
            return False
        if epoch not in self.rungs or trial in self.values.get(epoch, {}):
            return True
        here = self.values.setdefault(epoch, {})
        passes = goes_on(goodness(self.metric, value), sorted(goodness(self.metric, v) for v in here.values()))
        here[trial] = value
        if not passes:
            self.stopped[trial] = epoch
        self.save()
        return passes

    def lacks(self, trial: int, epoch: int) -> bool:
        """Whether a trial that reports this epoch is missing at a rung that it has passed: it was withdrawn."""
        return any(rung < epoch and trial not in self.values.get(rung, {}) for rung in self.rungs)

    def withdraw(self, trial: int) -> None:
        """Forget a trial whose attempt failed: what it was worth judges nobody, until it is there again."""
        for here in self.values.values():
            here.pop(trial, None)
        self.save()

    def readmit(self, trial: int, values: Mapping[int, float]) -> None:
        """A trial that was withdrawn is trained on: what it was worth at the rungs that it had passed, by epoch."""
        for rung in set(self.rungs) & set(values):
            self.values.setdefault(rung, {})[trial] = values[rung]
        self.save()

    def save(self) -> None:
        values = {str(rung): {str(trial): v for trial, v in here.items()} for rung, here in self.values.items()}
        stopped = {str(trial): epoch for trial, epoch in self.stopped.items()}
        table = {"metric": self.metric, "rungs": self.rungs, "values": values, "stopped": stopped}
        save_json(self.path, table, indent=None)  # written whole at every decision: indented it takes 20 times as long


class Asha(FIFOScheduler):  # type: ignore[misc]
    """Ray Tune's view of a `RungTable`: trials run in the order of their numbers, one bracket."""

    _supports_buffered_results = False

    def __init__(self, table: RungTable, store: Store, too_slow: Callable[[int, int], bool]) -> None:
        """`too_slow(trial, epoch)`: whether a trial that goes on by its scores is cut there all the same."""
        super().__init__()
        self._table, self._store, self._too_slow = table, store, too_slow

    def on_trial_result(self, tune_controller: TuneController, trial: RayTrial, result: dict[str, Any]) -> str:
        """Ray asks after every report: CONTINUE or STOP."""
        number, epoch = trial.config["trial"], result["epoch"]
        self._store.fetch(number, 0)  # Ray asks here first; what comes after reads the trial's files
        if result["diverged"]:
            return str(TrialScheduler.STOP)
        if self._table.lacks(number, epoch):
            rows = load_epochs(self._store.search.trial(number).fold(0)).to_dict("records")
            reported = {int(row["epoch"]): float(row[self._table.metric]) for row in rows if row["epoch"] < epoch}
            self._table.readmit(number, reported)
        passes = self._table.judge(number, epoch, result[self._table.metric]) and not self._too_slow(number, epoch)
        return str(TrialScheduler.CONTINUE if passes else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: TuneController, trial: RayTrial) -> None:
        """Ray says it of every attempt that fails, the last one and those that are made again."""
        self._table.withdraw(trial.config["trial"])
