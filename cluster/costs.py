"""What members still cost in seconds and epochs, at the pace of the trials that have trained so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.budget import PACED, Alone, Pace, Pipeline, Remaining, comparing, pace_of
from cluster.plan import Plan
from cluster.resources import Resources
from search_spaces.recipe import Recipe
from trainables.member import Member
from trainables.throughput import Key, answer_views, cost_key
from trainables.trial import load_epochs, load_recipe


@dataclass(frozen=True)
class _Fold:
    """What one fold of a member still has to do."""

    training_s: float
    epochs: int
    prediction_s: float
    """0 where the test predictions are there."""


@dataclass(frozen=True)
class _Kind:
    """How recipes that cost alike trained at best, so that a stalled epoch bars nobody."""

    pace: Pace
    """With epochs that are not scored."""
    at_once: int

    def faster(self, other: _Kind) -> _Kind:
        return min(self, other, key=lambda kind: kind.pace.epoch_s)


class Costs:
    """A trial is as fast as its own epochs on fold 0 were, one that is still to begin as the fastest one like it."""

    def __init__(self, plan: Plan, slots: Resources, start_s: float, turnover_s: float) -> None:
        self._plan, self._slots = plan, slots
        self.start_s, self.turnover_s = start_s, turnover_s
        """Seconds of the first worker, and from task to task, as they were so far."""
        self.most_running = 1
        """Trials that ran side by side at most."""
        self._at_once: dict[int, int] = {}
        self._kinds: dict[Key, _Kind] = {}

    def remaining(self, member: Member) -> Remaining:
        """Of a member whose trials have reported an epoch each."""
        search = self._plan.search
        recipes = {number: load_recipe(search.trial(number)) for number in member.by_trial}
        paces = {number: self._pace(number, recipe) for number, recipe in recipes.items()}
        folds = []
        for number, fold in member.pairs:
            folder = search.trial(number).fold(fold)
            done, predicted = len(load_epochs(folder)), folder.test_probs.exists()
            folds.append(self._fold(recipes[number], paces[number], done, predicted))
        return _together(member, folds)

    def alone(self, remaining: Remaining) -> Alone:
        """What a member costs if it alone is promoted."""
        return self.pipeline([remaining]).alone(remaining)

    def learn(self, number: int) -> None:
        """Of a trial that has trained `PACED` epochs, for those like it."""
        self._pace(number, load_recipe(self._plan.search.trial(number)))

    def alone_as(self, number: int, recipe: Recipe) -> Alone:
        """The same of a trial that is still to begin; nothing where none like it has a pace yet."""
        kind = self._kinds.get(_kind_key(recipe))
        if kind is None:
            return 0.0, 0.0
        self._at_once[number] = kind.at_once
        fold = self._fold(recipe, self._scoring(kind.pace, recipe.tta_count), done=0, predicted=False)
        count = self._plan.folds.count
        return self.alone(_together(Member.of(number, count), [fold] * count))

    def pipeline(self, members: Sequence[Remaining]) -> Pipeline:
        """As many at once as could run of the one that takes most; where machines are still to come, as many as ran."""
        trials = {number for each in members for number in each.member.trials}
        slots = min((self._at_once[number] for number in trials), default=self._slots.of_folds.concurrent)
        if self._slots.can_grow:
            slots = min(slots, max(1, self.most_running // self._plan.wishes.gpus_per_fold))
        plan = self._plan
        blends = comparing(plan.imports_s, plan.folds.count, len(plan.folds.validated) * len(plan.data.classes))
        return Pipeline(slots, plan.stages, self.start_s, self.turnover_s, blends)

    def _fold(self, recipe: Recipe, pace: Pace, done: int, predicted: bool) -> _Fold:
        """After so many epochs of it."""
        plan = self._plan
        left = range(done + 1, recipe.epochs + 1)
        answer_s = pace.view_s * answer_views(recipe, *map(len, plan.folds.split(0)))
        views = 0 if predicted else recipe.tta_count * len(recipe.answering_epochs)
        return _Fold(
            pace.training_s(left, plan.scored_epochs) + answer_s * bool(left),
            len(left),
            len(plan.data.test_ids) * views * pace.view_s,
        )

    def _pace(self, number: int, recipe: Recipe) -> Pace:
        self._at_once[number] = self._slots.of_folds.of(recipe).concurrent
        rows = load_epochs(self._plan.search.trial(number).fold(0)).to_dict("records")
        rows = rows[recipe.head_epochs :] or rows  # those train less than the others
        pace = pace_of(rows, self._plan.scored_epochs, self._validated, recipe.tta_count)
        if len(rows) >= PACED:
            here = _Kind(self._scoring(pace, -recipe.tta_count), self._at_once[number])
            self._kinds[_kind_key(recipe)] = here.faster(self._kinds.get(_kind_key(recipe), here))
        return pace

    @property
    def _validated(self) -> int:
        """Images, after an epoch on fold 0."""
        return len(self._plan.folds.split(0)[1])

    def _scoring(self, pace: Pace, views: int) -> Pace:
        """With so many views more, or fewer, of each image after an epoch; at all TTA counts all take the same."""
        return replace(pace, epoch_s=pace.epoch_s + views * self._validated * pace.view_s)


def _kind_key(recipe: Recipe) -> Key:
    """Equal where epochs cost the same but for their scores and for chance."""
    return (*cost_key(recipe), recipe.sources)


def _together(member: Member, folds: Sequence[_Fold]) -> Remaining:
    return Remaining(
        member,
        tuple(each.training_s for each in folds),
        sum(each.epochs for each in folds),
        tuple(each.prediction_s for each in folds if each.prediction_s),
    )
