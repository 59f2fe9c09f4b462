"""Weights and checkpoints of losers go as soon as they have lost."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial

from cluster.promotion import losers
from trainables.layout import SearchFolder
from trainables.trial import load_trials


class Housekeeping(Callback):  # type: ignore[misc]
    """After every trial that ends, at most `promote` of those that have ended keep their weights."""

    def __init__(self, search: SearchFolder, promote: int, metric: str) -> None:
        self._search, self._promote, self._metric = search, promote, metric

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        for number in losers(load_trials(self._search), self._promote, self._metric):
            self._search.trial(number).fold(0).forget_weights()
