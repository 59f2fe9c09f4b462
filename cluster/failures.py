"""What becomes of attempts that end in an error: who is tried again, what a lost machine cost, and one cause that keeps
ending trials."""

from __future__ import annotations

import csv
import re
import time
from collections import Counter
from collections.abc import Hashable
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial as RayTrial

from cluster.searcher import Proposals
from trainables.disk import says_no_room
from trainables.files import write_whole
from trainables.layout import SearchFolder

ATTEMPTS_AFTER_A_CRASH = 2
"""Without an epoch in between."""

NODES_FORGIVEN = 5
"""Deaths of its node that a trial is not blamed for, without an epoch in between: it may be the one that kills them."""

SAME_CAUSE = 3
"""Trials in a row that fail for one cause before the search stops."""

NODE_DIED = re.compile(r"its node has died|The actor \S+ is unavailable")
"""Ray's words for an actor that went with its machine, once it knows and before."""


class Attempts:
    """How often a training that fails is tried again: counted for each by itself, and anew after every epoch.

    Ray's own retries are not used: it counts failures over a trial's whole life, one death of a worker between two
    trials it counts twice, and a fold that three machines were taken from it gives up.
    """

    def __init__(self) -> None:
        self._furthest: dict[Hashable, int] = {}
        self._crashes: Counter[Hashable] = Counter()
        self._dead_nodes: Counter[Hashable] = Counter()

    def reached(self, training: Hashable, epoch: int) -> None:
        """It has trained so far."""
        if epoch > self._furthest.get(training, 0):
            self._furthest[training] = epoch
            del self._crashes[training], self._dead_nodes[training]

    def another(self, training: Hashable, node_died: bool) -> bool:
        """Whether it is tried again after this failure."""
        counts, allowed = (self._dead_nodes, NODES_FORGIVEN) if node_died else (self._crashes, ATTEMPTS_AFTER_A_CRASH)
        counts[training] += 1
        return counts[training] <= allowed


def note_preemption(search: SearchFolder, trial: int | None, fold: int | None, epoch: int, lost_s: float) -> None:
    """A machine went with a training on it, `lost_s` seconds at most after its last whole epoch.

    Or with a part of the prediction, which is no trial's and no fold's, so long after its last whole batch.
    """
    new = not search.preemptions.exists()
    with search.preemptions.open("a", newline="") as file:
        rows = csv.writer(file)
        if new:
            rows.writerow(("trial", "fold", "epoch", "lost_s"))
        rows.writerow((trial, fold, epoch, round(lost_s, 1)))


class Failures(Callback, Stopper):  # type: ignore[misc]
    """Keeps the causes, has a trial tried again, and ends the search where several in a row say the same."""

    def __init__(self, search: SearchFolder, proposals: Proposals) -> None:
        self._search, self._proposals = search, proposals
        self._attempts = Attempts()
        self._causes: list[str] = []
        self._last_seen: dict[int, tuple[int, float]] = {}
        self.repeated: str | None = None
        """The whole error, once it ended `SAME_CAUSE` trials in a row, or one where the disk is full."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; nothing of this one is wanted there."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        number = trial.config["trial"]
        self._last_seen[number] = (self._last_seen.get(number, (0, 0.0))[0], time.monotonic())

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_info: Any
    ) -> None:
        number, epoch = trial.config["trial"], result["epoch"]
        self._attempts.reached(number, epoch)
        self._last_seen[number] = (epoch, time.monotonic())

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        """An attempt failed; Ray has told the searcher before."""
        number, error = trial.config["trial"], _error(trial)
        if says_no_room(error):
            self.repeated = error
        if self._helps(number, error):
            with self._search.trial(number).attempts.open("a") as file:
                file.write(f"{error}\n")
            self._proposals.try_again(number)
            return
        write_whole(self._search.trial(number).error, error)
        self._causes = [each for each in self._causes if each == cause_of(error)] + [cause_of(error)]
        if len(self._causes) >= SAME_CAUSE:
            self.repeated = error

    def _helps(self, number: int, error: str) -> bool:
        """Whether a trial is tried again."""
        if says_no_room(error):
            return True  # by a later driver
        node_died = bool(NODE_DIED.search(error))
        if node_died:
            epoch, seen = self._last_seen.get(number, (0, time.monotonic()))
            note_preemption(self._search, number, 0, epoch, time.monotonic() - seen)
        return self._attempts.another(number, node_died)

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
