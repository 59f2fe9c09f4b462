"""Which trial is next, on Ray's searcher interface: what is begun first, then new recipes until enough are judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import optuna
from ray.tune.search import Searcher

from cluster import tpe
from cluster.kinds import TPE
from cluster.plan import Plan
from cluster.resources import Resources, Slots
from search_spaces import Recipe
from trainables.files import save_json
from trainables.trial import Trial, load_recipe, load_trial, load_trials

_DRAWS = 200
"""Recipes in a row that are passed over before it is taken that there is room for none."""


class Proposals(Searcher):  # type: ignore[misc]
    """Hands Ray Tune the numbers of trials with what each gets of a machine, each once its recipe is on disk.

    A trial that diverges or fails is replaced by a further one, until as many as asked for are judged, or twice as many
    are begun. All that this object knows is in the trials' folders: a resumed search makes a new one.
    """

    def __init__(
        self, plan: Plan, resources: Resources, has_room_for: Callable[[int, Recipe], bool] = lambda *_: True
    ) -> None:
        """`has_room_for(trial, recipe)`: whether it could be promoted; if not, it is passed over."""
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan, self._resources, self._has_room_for = plan, resources, has_room_for
        trials = load_trials(plan.search)
        self._waiting = [trial.number for trial in trials if trial.status == "unfinished"]
        self._ended = {trial.number: trial for trial in trials if trial.status != "unfinished"}
        self._judged = sum(trial.judged for trial in trials)
        self._next = 0
        self._running: dict[str, int] = {}
        self._slots: dict[int, Slots] = {}
        self._stream = plan.space.stream(plan.seed)
        self._keys = {self._key(trial.recipe) for trial in trials}
        self._exhausted = self._lacks_room = False
        self._left_behind: dict[str, Recipe] = {}
        """Passed over for lack of room, so far, by key."""
        self.passed_over = False
        """Whether any recipe ever was."""
        self.finished = False
        """Whether no further trial is wanted; False after an interruption."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its searcher beside the experiment; nothing of this one is wanted there."""
        return {}

    @property
    def ended(self) -> list[Trial]:
        """The trials that have ended, as they were then."""
        return list(self._ended.values())

    @property
    def out_of_room(self) -> bool:
        """Whether no further trial is wanted because there is no room for any."""
        return self.finished and self._lacks_room

    def suggest(self, trial_id: str) -> dict[str, float] | str | None:
        """Ray asks for a trial: its number; None to be asked again once one has ended; or that there are no more.

        One that does not fit beside those that run waits, and those behind it too: a large one has its turn.
        """
        number = self._waiting.pop(0) if self._waiting else self._another()
        if number is not None:
            slot = self._slot(number)
            running = [self._slot(each) for each in self._running.values()]
            if running and not self._resources.has_room(running, slot):
                self._waiting.insert(0, number)
                return None
            self._running[trial_id] = number
            return {"trial": number, "cpus": slot.cpus, "gpus": slot.gpus}
        self.finished = not self._running
        return str(Searcher.FINISHED) if self.finished else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        number = self._running.pop(trial_id)
        trial = load_trial(self._plan.search, number)
        self._lacks_room = False  # there may be some now
        self._ended[number] = replace(trial, status="failed") if error else trial
        self._judged += self._ended[number].judged

    def try_again(self, number: int) -> None:
        """A trial that has failed, and so was not judged, is next."""
        del self._ended[number]
        self._waiting.insert(0, number)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the trials' folders have it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the trials' folders have it all."""

    def _slot(self, number: int) -> Slots:
        if number not in self._slots:
            self._slots[number] = self._resources.of(load_recipe(self._plan.search.trial(number)))
        return self._slots[number]

    def _another(self) -> int | None:
        if self._exhausted or self._lacks_room:
            return None
        running, asked = {*self._running.values()}, self._plan.trials
        while self._next in self._ended or self._next in running:
            self._next += 1
        number = self._next
        if asked is not None and (self._judged + len(running) >= asked or number >= 2 * asked):
            return None
        recipe = self._recipe(number)
        if recipe is None:
            return None
        self._keys.add(self._key(recipe))
        self._left_behind.pop(self._key(recipe), None)
        save_json(self._plan.search.trial(number).recipe, recipe.to_dict())
        self._plan.store.publish_file(self._plan.search.trial(number).recipe)  # the training reads it
        return number

    def _recipe(self, number: int) -> Recipe | None:
        """Of a trial that is not begun; None where the space has no further one, or none that there is room for.

        Where a suggestion has no room chance takes its place.
        """
        plan = self._plan
        if plan.searcher == TPE and number >= tpe.FIRST_AT_RANDOM:
            recipe = tpe.suggested(plan.space, plan.seed, number, self._known(), plan.metric)
            if recipe is not None and self._has_room_for(number, recipe):
                return recipe
            self.passed_over |= recipe is not None
        further = (recipe for recipe in self._stream if self._key(recipe) not in self._keys)
        for recipe in chain(tuple(self._left_behind.values()), islice(further, _DRAWS)):
            if self._has_room_for(number, recipe):
                return recipe
            self._left_behind[self._key(recipe)] = recipe
            self.passed_over = True
        self._lacks_room = bool(self._left_behind)
        self._exhausted = not self._lacks_room
        return None

    def _key(self, recipe: Recipe) -> str:
        """Equal for trials that need not both be run; a grid has what was asked for."""
        return recipe.training_key() if not self._plan.space.grid else json.dumps(recipe.to_dict(), sort_keys=True)

    def _known(self) -> list[Trial]:
        """The trials that are begun, by number."""
        running = [load_trial(self._plan.search, number) for number in self._running.values()]
        return sorted([*self._ended.values(), *running], key=lambda trial: trial.number)
