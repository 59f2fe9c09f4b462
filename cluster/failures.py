"""What becomes of attempts that end in an error: their causes are kept, and the same cause again and again is said."""

from __future__ import annotations

import re
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial as RayTrial

from trainables.layout import SearchFolder

SAME_CAUSE = 3
"""Trials in a row that fail for one cause before the search stops."""


class Failures(Callback, Stopper):  # type: ignore[misc]
    """Counts the trials that failed in a row; ends the search where they all say the same."""

    def __init__(self, search: SearchFolder) -> None:
        self._search = search
        self._causes: list[str] = []
        self.repeated: str | None = None
        """The whole error, once it ended `SAME_CAUSE` trials in a row."""

    def on_trial_recover(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        """An attempt failed, and another will be made: its cause goes into the trial's folder."""
        path = self._search.trial(trial.config["trial"]).attempts
        with path.open("a") as file:
            file.write(f"{_error(trial)}\n")

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        error = _error(trial)
        self._causes = [each for each in self._causes if each == cause_of(error)] + [cause_of(error)]
        if len(self._causes) >= SAME_CAUSE:
            self.repeated = error

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._causes.clear()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        """Ray asks after every event whether the search is to end."""
        return self.repeated is not None


def cause_of(error: str) -> str:
    """An error's last line without its numbers: two that differ in a pid or in a count are one cause."""
    lines = [line for line in error.splitlines() if line.strip()]
    return re.sub(r"\d+", "#", lines[-1]) if lines else ""


def _error(trial: RayTrial) -> str:
    if trial.error_file is None:
        return ""
    with open(trial.error_file) as file:  # noqa: PTH123 (Ray's own path)
        return file.read()
