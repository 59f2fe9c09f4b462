"""What becomes of attempts that end in an error: their causes are kept, and the same cause again and again is said."""

from __future__ import annotations

import errno
import os
import re
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial as RayTrial

from trainables.layout import SearchFolder, write_whole

SAME_CAUSE = 3
"""Trials in a row that fail for one cause before the search stops."""

_NODE_DIED = re.compile(r"its node has died|The actor \S+ is unavailable")
"""Ray's words for an actor that went with its machine, once it knows and before: no fault of the trial's."""

_NO_ROOM = os.strerror(errno.ENOSPC)
"""No attempt of any trial helps there."""


class Failures(Callback, Stopper):  # type: ignore[misc]
    """Keeps the causes, forgives who gets further, and ends the search where several trials in a row say the same."""

    def __init__(self, search: SearchFolder) -> None:
        self._search = search
        self._causes: list[str] = []
        self._furthest: dict[int, int] = {}
        self.repeated: str | None = None
        """The whole error, once it ended `SAME_CAUSE` trials in a row, or one where the disk is full."""

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_info: Any
    ) -> None:
        """Ray counts a trial's failures over its whole life; here an epoch more begins the count anew."""
        number, epoch = trial.config["trial"], result["epoch"]
        if epoch > self._furthest.get(number, 0):
            self._furthest[number] = epoch
            trial.run_metadata.num_failures = 0

    def on_trial_recover(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        """An attempt failed, and another will be made: its cause goes into the trial's folder."""
        error = _error(trial)
        if _NODE_DIED.search(error):
            trial.run_metadata.num_failures -= 1
        if _NO_ROOM in error:
            self.repeated = error
        with self._search.trial(trial.config["trial"]).attempts.open("a") as file:
            file.write(f"{error}\n")

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        error = _error(trial)
        write_whole(self._search.trial(trial.config["trial"]).error, error)
        self._causes = [each for each in self._causes if each == cause_of(error)] + [cause_of(error)]
        if len(self._causes) >= SAME_CAUSE or _NO_ROOM in error:
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
    """Of the newest attempt; Ray's file has all of them, each under a heading of its own."""
    if trial.error_file is None:
        return ""
    with open(trial.error_file) as file:  # noqa: PTH123 (Ray's own path)
        return re.split(r"^Failure # \d+ .*\n", file.read(), flags=re.MULTILINE)[-1]
