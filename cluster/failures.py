"""What becomes of attempts that end in an error: their causes are kept, and the same cause again and again is said."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial as RayTrial

from cluster.out import says_no_room
from cluster.searcher import Proposals
from trainables.layout import SearchFolder, write_whole

ATTEMPTS_AFTER_A_CRASH = 2
"""Without an epoch in between."""

NODES_FORGIVEN = 5
"""Deaths of its node that a trial is not blamed for, without an epoch in between: it may be the one that kills them."""

SAME_CAUSE = 3
"""Trials in a row that fail for one cause before the search stops."""

_NODE_DIED = re.compile(r"its node has died|The actor \S+ is unavailable")
"""Ray's words for an actor that went with its machine, once it knows and before."""


class Failures(Callback, Stopper):  # type: ignore[misc]
    """Keeps the causes, has a trial tried again, and ends the search where several in a row say the same.

    Ray's own retries are not used: it counts failures over a trial's whole life, and one death of a worker between two
    trials it counts twice.
    """

    def __init__(self, search: SearchFolder, proposals: Proposals) -> None:
        self._search, self._proposals = search, proposals
        self._causes: list[str] = []
        self._furthest: dict[int, int] = {}
        self._crashes: Counter[int] = Counter()
        self._dead_nodes: Counter[int] = Counter()
        self.repeated: str | None = None
        """The whole error, once it ended `SAME_CAUSE` trials in a row, or one where the disk is full."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; nothing of this one is wanted there."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_info: Any
    ) -> None:
        """An epoch more begins the count anew."""
        number, epoch = trial.config["trial"], result["epoch"]
        if epoch > self._furthest.get(number, 0):
            self._furthest[number] = epoch
            del self._crashes[number], self._dead_nodes[number]

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
        if _NODE_DIED.search(error):
            self._dead_nodes[number] += 1
            return self._dead_nodes[number] <= NODES_FORGIVEN
        self._crashes[number] += 1
        return self._crashes[number] <= ATTEMPTS_AFTER_A_CRASH

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
