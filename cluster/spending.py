"""What a search has spent, and when its trials must end so that all that follows ends within the budget."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import isclose
from statistics import median
from typing import Any

import psutil
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial as RayTrial

from cluster.budget import PACED, Alone, Budget, closing_s, epochs_to_come, is_too_slow, rooms
from cluster.costs import Costs
from cluster.leaders import Leaders
from cluster.plan import Plan
from cluster.resources import Resources
from search_spaces.recipe import Recipe
from trainables.files import load_array, load_json, save_json
from trainables.member import Member
from trainables.scores import score
from trainables.trial import load_epochs, load_trials

_SAVE_EVERY_S = 1.0


class Spending(Callback, Stopper):  # type: ignore[misc]
    """Counts seconds and epochs over all drivers of a search, and ends its trials in time.

    What promotion and prediction will take is estimated from the epochs that the trials have reported, for those that
    would be promoted if the search ended now, and anew after every report.
    """

    def __init__(self, plan: Plan, slots: Resources) -> None:
        self._plan, self._slots = plan, slots
        stored = load_json(plan.search.spending) if plan.search.spending.exists() else {}
        self._earlier_s = float(stored.get("seconds", 0.0))
        self._ended_for = Budget(**stored["ended_for"]) if stored.get("ended_for") else None
        self._cut: dict[str, int] = stored.get("cut", {})
        self._slow: dict[str, int] = stored.get("slow", {})
        self._slow_for = Budget(**stored["slow_for"]) if stored.get("slow_for") else None
        self._costs = Costs(plan, slots, float(stored.get("start_s", 0.0)), float(stored.get("turnover_s", 0.0)))
        self._started = psutil.Process().create_time()
        self._saved = 0.0
        self._leaders = Leaders(plan, self._costs)
        self._epochs = 0
        self._ready: dict[int, float] = {}
        self._turnovers: list[float] = []
        self._counted: dict[int, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; nothing of this one is wanted there."""
        return {}

    @property
    def over(self) -> bool:
        """Whether the budget has ended the search's trials."""
        return self._ended_for is not None

    def seconds(self) -> float:
        """Spent by all drivers of this search, by this one since its process began."""
        return float(self._earlier_s + time.time() - self._started)

    def look(self) -> None:
        """Keep the count on disk, so that a driver that dies has spent what it spent."""
        if time.monotonic() - self._saved > _SAVE_EVERY_S:
            self._save()

    def open_search(self) -> None:
        """Before the trials: those that an earlier, smaller budget cut short go on."""
        if self._ended_for and self._plan.budget.covers_more_than(self._ended_for):
            for number in self._cut:  # what it was worth then is not what it will be worth
                self._plan.search.trial(int(number)).fold(0).search_probs.unlink(missing_ok=True)
            self._ended_for, self._cut = None, {}
        if self._slow_for and self._plan.budget.covers_more_than(self._slow_for):
            self._slow_for, self._slow = None, {}
        self._save()
        trials = load_trials(self._plan.search)
        for trial in trials:
            if trial.epoch and trial.status not in ("slow", "diverged", "failed"):
                self._leaders.stands(trial.number, trial.epoch, trial.last(self._plan.metric))
        self._counted = {trial.number: trial.epoch for trial in trials}
        if self._plan.budget.seconds is not None:
            for trial in (each for each in trials if each.epoch >= PACED):
                self._costs.learn(trial.number)
        self._epochs = self._trained_epochs()
        self._began = time.monotonic()
        self._leaders.estimate()

    def close_search(self) -> None:
        """After the trials: those that the budget cut short are worth what they were after their last epoch."""
        if self._slow and not self._plan.quiet:
            print(f"note: too slow for the time budget: trial {_named(self._slow)}")
        if not self.over:
            return
        labels = self._plan.data.labels[self._plan.folds.split(0)[1]]
        standings = self._plan.search.standings
        compared = {row["trial"] for row in load_json(standings)} if standings.exists() else set()
        for trial in load_trials(self._plan.search):
            if trial.status == "unfinished" and trial.number not in compared:
                probs = self._plan.search.trial(trial.number).fold(0).pred_probs
                metric = self._plan.metric
                # Killed between two files, predictions may be of the epoch after: then the trial is worth nothing.
                whole = trial.epoch and isclose(score(metric, load_array(probs), labels), trial.last(metric))
                self._cut[str(trial.number)] = trial.epoch if whole else 0
        self._save()
        if self._cut and not self._plan.quiet:
            print(f"note: the budget ends the search; it cut trial {_named(self._cut)}")

    def afforded(self, promoted: Sequence[Member]) -> list[Member]:
        """Those of the promoted that can be trained on all folds in what is left of the budget, best first."""
        if self._plan.budget.epochs is not None:
            promoted = self._within_epochs(promoted, self._plan.budget.epochs)
        if self._plan.budget.seconds is None:
            return list(promoted)
        remaining = [self._costs.remaining(member) for member in promoted]
        _, left_s = self._rooms()
        taken = self._costs.pipeline(remaining).affordable(remaining, left_s)
        for member in promoted:
            if member not in taken:
                print(f"note: trial {member} is not promoted: its folds would take longer than the time budget")
        return taken

    def _within_epochs(self, promoted: Sequence[Member], budget: int) -> list[Member]:
        """Who leads when a search ends may have overtaken, in its last epoch, one whose folds were trained already.

        Epochs were kept for that one, so it is promoted again. Where nobody fits, the first one is, all the same.
        """
        left, taken = max(0, budget - self._trained_epochs()), list[Member]()
        whole = [member for member in self._plan.promoted_before() if self._is_whole(member)]
        for member in dict.fromkeys([*promoted, *whole]):
            epochs = self._costs.remaining(member).epochs
            if epochs <= left and len(taken) < len(promoted):
                taken.append(member)
                left -= epochs
        taken = taken or list(promoted[:1])
        for member in promoted:
            if member not in taken:
                print(f"note: trial {member} is not promoted: its folds would take more than the epoch budget")
        return taken

    def _is_whole(self, member: Member) -> bool:
        """Whether it has a net for every fold: nets of who is promoted no more are deleted."""
        there = all(self._plan.search.trial(number).recipe.exists() for number in member.trials)
        return there and all(self._plan.is_trained(*pair) for pair in member.pairs)

    def _trained_epochs(self) -> int:
        """In all folds of all trials."""
        search, folds = self._plan.search, range(self._plan.folds.count)
        return sum(len(load_epochs(search.trial(n).fold(fold))) for n in search.trial_numbers() for fold in folds)

    def too_slow(self, number: int, epoch: int) -> bool:
        """Whether a running trial is cut here: its folds would take longer than half of the time budget, or than what
        is left of it, and those of another would not. Asked before its report is counted.

        Not before its pace is known.
        """
        plan = self._plan
        if not self._judges_pace or not PACED <= epoch < plan.epochs:
            return False
        here = self._costs.remaining(Member.of(number, plan.folds.count))
        others = map(self._costs.alone, self._leaders.others(number))
        if not is_too_slow(self._costs.alone(here), others, self._rooms()):
            return False
        self._slow[str(number)], self._slow_for = epoch, plan.budget
        self._leaders.drop(number)
        self._save()
        return True

    def has_room_for(self, number: int, recipe: Recipe) -> bool:
        """Whether a trial that is still to begin would not be too slow, as far as is known."""
        if not self._judges_pace:
            return True
        others = map(self._costs.alone, self._leaders.first)
        return not is_too_slow(self._costs.alone_as(number, recipe), others, self._rooms())

    def end(self) -> None:
        """The budget has ended the search: it has room for no further recipe."""
        self._ended_for = self._plan.budget
        self._save()

    @property
    def _judges_pace(self) -> bool:
        """Not without a time budget, where machines are still to come, or where a diagonal wants one fold of each."""
        in_time = self._plan.budget.seconds is not None
        return in_time and not self._plan.promotion.replaces and not self._slots.can_grow

    def _rooms(self) -> Alone:
        assert self._plan.budget.seconds is not None
        return rooms(self._left_s(), self._plan.budget.seconds)

    def training_must_end(self, promoted: Sequence[Member]) -> bool:
        """Whether what is left of the time is wanted for predicting with what is trained, and for the report."""
        if self._plan.budget.seconds is None:
            return False
        trained = (0.0,) * self._plan.folds.count
        predicting = [replace(self._costs.remaining(member), training_s=trained, epochs=0) for member in promoted]
        return self._left_s() < self._costs.pipeline(predicting).finishing_s(predicting) - self._costs.start_s

    # Ray Tune's side.

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._ready[trial.config["trial"]] = time.monotonic()
        self._leaders.running.add(trial.config["trial"])
        self._costs.most_running = max(self._costs.most_running, len(self._leaders.running))

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._leaders.running.discard(trial.config["trial"])
        self._leaders.estimate()

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        """It may be the last attempt; where it is not, the next one reports again."""
        self._leaders.running.discard(trial.config["trial"])
        self._leaders.drop(trial.config["trial"])
        self._leaders.estimate()

    def on_step_end(self, iteration: int, trials: list[RayTrial], **_info: Any) -> None:
        self.look()

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_info: Any
    ) -> None:
        number, epoch = trial.config["trial"], result["epoch"]
        if epoch > self._counted.get(number, 0):
            self._counted[number] = epoch
            self._epochs += 1
            self._note_delay(number, result["seconds"])
        if result["diverged"] or str(number) in self._slow:
            self._leaders.drop(number)
        else:
            self._leaders.stands(number, epoch, result[self._plan.metric])
        self._leaders.estimate()
        self.look()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        """Ray asks after every event whether the search is to end."""
        if not self.over and self._reached():
            self._ended_for = self._plan.budget
        return self.over

    def _note_delay(self, number: int, seconds: float) -> None:
        """How long a worker took to begin, besides the epoch itself."""
        now = time.monotonic()
        ready = self._ready.pop(number, None)
        if not self._costs.start_s:
            self._costs.start_s = max(0.0, now - self._began - seconds)
        elif ready is not None:
            self._turnovers.append(max(0.0, now - ready - seconds))
            self._costs.turnover_s = median(self._turnovers)

    # When it is over.

    def _reached(self) -> bool:
        budget, slots = self._plan.budget, min(self._slots.concurrent, max(1, len(self._leaders.running)))
        if not self._leaders.first:  # nor ever, maybe: where all diverge, the budget itself is the end
            return (budget.seconds is not None and self._left_s() <= 0) or (
                budget.epochs is not None and self._epochs >= budget.epochs
            )
        if budget.seconds is not None:
            left_s, expected = self._left_s(), self._leaders.expected
            kept = self._costs.pipeline(expected).within(expected, left_s, budget.seconds)
            if left_s <= (self._costs.pipeline(kept).to_come_s(kept) if self._leaders.are_paced else 0):
                return True
        of_a_member = self._plan.folds.count * self._plan.epochs
        to_come = epochs_to_come(self._leaders.first, self._plan.promotion.count, of_a_member)
        return budget.has_no_epochs_left(self._epochs, slots, to_come)

    def _left_s(self) -> float:
        assert self._plan.budget.seconds is not None
        return self._plan.budget.seconds - self.seconds() - closing_s(self._plan.imports_s)

    def _save(self) -> None:
        self._saved = time.monotonic()
        save_json(
            self._plan.search.spending,
            {
                "seconds": self.seconds(),
                "start_s": self._costs.start_s,
                "turnover_s": self._costs.turnover_s,
                "ended_for": asdict(self._ended_for) if self._ended_for else None,
                "cut": self._cut,
                "slow": self._slow,
                "slow_for": asdict(self._slow_for) if self._slow_for else None,
            },
        )


def _named(ended: Mapping[str, int]) -> str:
    return ", ".join(f"{int(number):03d} after {epoch} epochs" for number, epoch in ended.items())
