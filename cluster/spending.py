"""What a search has spent, and when its trials must end so that all that follows ends within the budget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from math import isclose
from statistics import median
from typing import Any

import psutil
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial as RayTrial

from cluster.budget import Budget, Member, Pipeline, pace_of
from cluster.plan import Plan
from cluster.promotion import Standing, best
from cluster.resources import Resources
from trainables.layout import load_array, load_json, save_json
from trainables.scores import goodness, score
from trainables.throughput import answer_views
from trainables.trial import load_epochs, load_recipe, load_trial, load_trials

_CLOSING = 1.2
"""Seconds of ensemble, report and Ray's end for each second of imports: both go with the speed of the machine."""

_STOPPING_S = 3.0
"""From the end of the search until Ray's actors are gone and promotion begins."""

_MARGIN = 1.03
"""Folds side by side were up to 7 % slower than the trial's own epochs had been, and up to 2 % faster."""

_PROMOTION_AT_MOST = 0.5
"""Share of a time budget beyond which fewer trials are promoted, so that there is something to choose from."""

_TOLERANCE = 0.025
"""Share of a time budget by which an estimate may miss before a promoted trial is given up."""

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
        self._start_s, self._turnover_s = float(stored.get("start_s", 0.0)), float(stored.get("turnover_s", 0.0))
        self._started = psutil.Process().create_time()
        self._saved = 0.0
        self._standings: dict[int, Standing] = {}
        self._epochs = 0
        self._ready: dict[int, float] = {}
        self._turnovers: list[float] = []
        self._running: set[int] = set()
        self._most_running = 1
        self._counted: dict[int, int] = {}
        self._first: list[Member] = []
        self._expected: list[Member] = []
        self._at_once: dict[int, int] = {}

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
        self._save()
        trials = load_trials(self._plan.search)
        for trial in trials:
            if trial.epoch and trial.status not in ("diverged", "failed"):
                self._stands(trial.number, trial.epoch, trial.last(self._plan.metric))
        self._counted = {trial.number: trial.epoch for trial in trials}
        every_fold = (self._plan.search.trial(t.number).fold(f) for t in trials for f in range(self._plan.folds.count))
        self._epochs = sum(len(load_epochs(folder)) for folder in every_fold)
        self._began = time.monotonic()
        self._estimate()

    def close_search(self) -> None:
        """After the trials: those that the budget cut short are worth what they were after their last epoch."""
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
            cut = ", ".join(f"{int(number):03d} after {epoch} epochs" for number, epoch in self._cut.items())
            print(f"note: the budget ends the search; it cut trial {cut}")

    def afforded(self, promoted: Sequence[int]) -> list[int]:
        """Those of the promoted trials that can be trained on all folds in what is left of the time, best first."""
        if self._plan.budget.seconds is None:
            return list(promoted)
        members = [self._member(number) for number in promoted]
        left_s = self._left_s() + _TOLERANCE * self._plan.budget.seconds
        taken = self._pipeline(members).affordable(members, left_s)
        for number in promoted:
            if number not in taken:
                print(f"note: trial {number:03d} is not promoted: its folds would take longer than the time budget")
        return taken

    def training_must_end(self, promoted: Sequence[int]) -> bool:
        """Whether what is left of the time is wanted for predicting with what is trained, and for the report."""
        if self._plan.budget.seconds is None:
            return False
        members = [self._member(number) for number in promoted]
        trained = (0.0,) * self._plan.folds.count
        predicting = [Member(each.number, trained, 0, each.prediction_s) for each in members]
        return self._left_s() < self._pipeline(predicting).finishing_s(predicting) - self._start_s

    # Ray Tune's side.

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._ready[trial.config["trial"]] = time.monotonic()
        self._running.add(trial.config["trial"])
        self._most_running = max(self._most_running, len(self._running))

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._running.discard(trial.config["trial"])

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        """It may be the last attempt; where it is not, the next one reports again."""
        self._running.discard(trial.config["trial"])
        self._standings.pop(trial.config["trial"], None)
        self._estimate()

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
        if result["diverged"]:
            self._standings.pop(number, None)
        else:
            self._stands(number, epoch, result[self._plan.metric])
        self._estimate()
        self.look()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        """Ray asks after every event whether the search is to end."""
        if not self.over and self._reached():
            self._ended_for = self._plan.budget
        return self.over

    # Estimates.

    def _note_delay(self, number: int, seconds: float) -> None:
        """How long a worker took to begin, besides the epoch itself."""
        now = time.monotonic()
        ready = self._ready.pop(number, None)
        if not self._start_s:
            self._start_s = max(0.0, now - self._began - seconds)
        elif ready is not None:
            self._turnovers.append(max(0.0, now - ready - seconds))
            self._turnover_s = median(self._turnovers)

    def _stands(self, number: int, epoch: int, value: float) -> None:
        self._standings[number] = Standing(number, epoch, goodness(self._plan.metric, value))

    def _estimate(self) -> None:
        """Who would be promoted now, and who is about to take their place; what they cost."""
        if not self._plan.budget:
            return
        first = best(list(self._standings.values()), self._plan.promote)
        expected = dict.fromkeys([*self._challengers(first[0]), *first] if first else [])
        self._first = [self._member(number) for number in first]
        self._expected = [self._member(number) for number in list(expected)[: self._plan.promote]]

    def _challengers(self, leader: int) -> list[int]:
        """Trials beyond the last rung that are better than the leader was at their epoch, and may cost more than it."""
        values = load_trial(self._plan.search, leader).values(self._plan.metric)
        last_rung = max(self._plan.rungs, default=0)
        return [
            number
            for number in sorted(self._running & set(self._standings) - {leader})
            if last_rung < (here := self._standings[number]).epoch <= len(values)
            and here.good > goodness(self._plan.metric, values[here.epoch - 1])
        ]

    def _to_come_s(self, budget_s: float) -> float:
        """Of promotion and prediction, for those that would be promoted, or as many as do not take most of the time."""
        taken = self._pipeline(self._expected).affordable(self._expected, _PROMOTION_AT_MOST * budget_s)
        members = [member for member in self._expected if member.number in taken]
        return _STOPPING_S + _MARGIN * self._pipeline(members).finishing_s(members)

    def _pipeline(self, members: Sequence[Member]) -> Pipeline:
        """As many at once as could run of the one that takes most; where machines are still to come, as many as ran."""
        slots = min((self._at_once[member.number] for member in members), default=self._slots.of_folds.concurrent)
        if self._slots.can_grow:
            slots = min(slots, max(1, self._most_running // self._plan.wishes.gpus_per_fold))
        return Pipeline(slots, self._plan.stages, self._start_s, self._turnover_s)

    def _reached(self) -> bool:
        budget, slots = self._plan.budget, min(self._slots.concurrent, max(1, len(self._running)))
        if not self._first:  # nothing to promote yet, and maybe never: where all diverge, the budget itself is the end
            return (budget.seconds is not None and self._left_s() <= 0) or (
                budget.epochs is not None and self._epochs >= budget.epochs
            )
        if budget.seconds is not None and self._left_s() <= self._to_come_s(budget.seconds):
            return True
        if budget.epochs is None:
            return False
        unknown = max(0, self._plan.promote - len(self._standings))  # trials that are still to be found
        reserved = sum(member.epochs for member in self._first) + unknown * self._plan.folds.count * self._plan.epochs
        return self._epochs + reserved + slots >= budget.epochs  # what runs now may still end its epoch

    def _left_s(self) -> float:
        assert self._plan.budget.seconds is not None
        return self._plan.budget.seconds - self.seconds() - _CLOSING * self._plan.imports_s

    def _member(self, number: int) -> Member:
        """What a trial still has to do, by its rows on fold 0."""
        plan, trial = self._plan, self._plan.search.trial(number)
        recipe = load_recipe(trial)
        self._at_once[number] = self._slots.of_folds.of(recipe).concurrent
        folders = [trial.fold(fold) for fold in range(plan.folds.count)]
        rows = [load_epochs(folder).to_dict("records") for folder in folders]
        pace = pace_of(rows[0], plan.scored_epochs, len(plan.folds.split(0)[1]), recipe.tta_count)
        left = [range(len(done) + 1, recipe.epochs + 1) for done in rows]
        net_s = len(plan.data.test_ids) * recipe.tta_count * pace.view_s * len(recipe.answering_epochs)
        answer_s = pace.view_s * answer_views(recipe, *map(len, plan.folds.split(0)))
        return Member(
            number,
            tuple(pace.training_s(each, plan.scored_epochs) + answer_s * bool(each) for each in left),
            sum(map(len, left)),
            tuple(net_s for folder in folders if not folder.test_probs.exists()),
        )

    def _save(self) -> None:
        self._saved = time.monotonic()
        save_json(
            self._plan.search.spending,
            {
                "seconds": self.seconds(),
                "start_s": self._start_s,
                "turnover_s": self._turnover_s,
                "ended_for": asdict(self._ended_for) if self._ended_for else None,
                "cut": self._cut,
            },
        )
