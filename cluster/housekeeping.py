"""Weights and checkpoints of losers go as soon as they have lost, and what the driver writes is published."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial

from cluster.plan import Plan
from cluster.promotion import losers
from cluster.searcher import Proposals


class Housekeeping(Callback):  # type: ignore[misc]
    """Of the trials that have ended, those keep their weights whose net of fold 0 may still be wanted."""

    def __init__(self, plan: Plan, proposals: Proposals) -> None:
        self._plan, self._proposals = plan, proposals
        self._gone: set[int] = set()
        # Their folds are trained: where a budget has no room for those of a new leader, they are promoted again.
        self._kept = {number for member in plan.promoted_before() for number in member.trials}

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; nothing of this one is wanted there."""
        return {}

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        """Ray tells the searcher first, so that its trials have the one that ended.

        Who has lost moves nobody up or down: the few that have not, and the new one, decide among themselves.
        """
        left = [trial for trial in self._proposals.ended if trial.number not in self._gone]
        lost = [n for n in losers(left, self._plan.promotion, self._plan.metric) if n not in self._kept]
        for number in lost:
            self._plan.store.forget(number, 0)
        self._gone.update(lost)

    def on_step_end(self, iteration: int, trials: list[RayTrial], **_info: Any) -> None:
        self._plan.store.publish(soon=True)
