"""Median stopping (Vizier, Golovin et al. 2017) by Ray's own `MedianStoppingRule`, called without a Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

from benchmarks.replays.replay import GO, PAUSE, STOP, Rule

_ACTIONS = {TrialScheduler.CONTINUE: GO, TrialScheduler.PAUSE: PAUSE, TrialScheduler.STOP: STOP}


@dataclass(eq=False)
class _Trial:
    """What the scheduler looks at of Ray's trial."""

    trial_id: str
    status: str = RayTrial.PENDING


class Median(Rule):
    """A trial stops if its best value is worse than the median of the others' running means, once there are three.

    With `yields` it also pauses where there are fewer, as Ray does by default, and new trials come before paused ones;
    without, it goes on.
    """

    def __init__(self, trials: int, epochs: int, grace: int, yields: bool) -> None:
        self._epochs, self._yields = epochs, yields
        self._scheduler: Any = MedianStoppingRule("epoch", "good", "max", grace_period=grace)
        self._trials = [_Trial(str(number)) for number in range(trials)]

    def get_live_trials(self) -> list[_Trial]:
        """For the scheduler, to which this is Ray's controller."""
        return [trial for trial in self._trials if trial.status != RayTrial.TERMINATED] if self._yields else []

    def reported(self, trial: int, epoch: int, good: float) -> str:
        own, result = self._trials[trial], {"epoch": epoch, "good": good}
        action = _ACTIONS[self._scheduler.on_trial_result(self, own, result)]
        if epoch == self._epochs:
            self._scheduler.on_trial_complete(self, own, result)
            action = STOP
        own.status = {GO: RayTrial.RUNNING, PAUSE: RayTrial.PAUSED, STOP: RayTrial.TERMINATED}[action]
        return action

    def gone(self, trial: int) -> None:
        self._trials[trial].status = RayTrial.TERMINATED

    def choose(self, new: int | None) -> int | None:
        paused = (number for number, trial in enumerate(self._trials) if trial.status == RayTrial.PAUSED)
        chosen = new if new is not None else next(paused, None)
        if chosen is not None:
            self._trials[chosen].status = RayTrial.RUNNING
        return chosen
