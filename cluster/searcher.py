"""Which trial is next, on Ray's searcher interface: what is begun first, then new recipes until enough are judged."""

from __future__ import annotations

from itertools import count
from typing import Any

import optuna
from ray.tune.search import Searcher

from cluster import tpe
from cluster.plan import Plan
from search_spaces import Recipe
from trainables.layout import save_json
from trainables.trial import Trial, load_trial, load_trials


class Proposals(Searcher):  # type: ignore[misc]
    """Hands Ray Tune the numbers of trials, each once its recipe is on disk.

    A trial that diverges or fails is replaced by a further one, until as many as asked for are judged, or twice as many
    are begun. All that this object knows is in the trials' folders: a resumed search makes a new one.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan = plan
        trials = load_trials(plan.search)
        self._waiting = [trial.number for trial in trials if trial.status == "unfinished"]
        self._ended = {trial.number: trial for trial in trials if trial.status != "unfinished"}
        self._running: dict[str, int] = {}
        self._stream = plan.space.stream(plan.seed)
        self._keys = {trial.recipe.training_key() for trial in trials}
        self.finished = False
        """Whether no further trial is wanted; False after an interruption."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its searcher beside the experiment; nothing of this one is wanted there."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, int] | str | None:
        """Ray asks for a trial: its number; None to be asked again once one has ended; or that there are no more."""
        number = self._waiting.pop(0) if self._waiting else self._another()
        if number is not None:
            self._running[trial_id] = number
            return {"trial": number}
        self.finished = not self._running
        return str(Searcher.FINISHED) if self.finished else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        number = self._running.pop(trial_id)
        self._ended[number] = load_trial(self._plan.search, number)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the trials' folders have it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the trials' folders have it all."""

    def _another(self) -> int | None:
        begun = {*self._ended, *self._running.values()}
        asked, number = self._plan.trials, next(number for number in count() if number not in begun)
        if asked is not None:
            judged = sum(trial.judged for trial in self._ended.values())
            if judged + len(self._running) >= asked or number >= 2 * asked:
                return None
        recipe = self._recipe(number)
        if recipe is None:
            return None
        self._keys.add(recipe.training_key())
        save_json(self._plan.search.trial(number).recipe, recipe.to_dict())
        return number

    def _recipe(self, number: int) -> Recipe | None:
        """Of a trial that is not begun; None where the space has no further one."""
        plan = self._plan
        if plan.searcher == "tpe" and number >= tpe.FIRST_AT_RANDOM:
            recipe = tpe.suggested(plan.space, plan.seed, number, self._known(), plan.metric)
            if recipe is not None:
                return recipe
        return next((recipe for recipe in self._stream if recipe.training_key() not in self._keys), None)

    def _known(self) -> list[Trial]:
        """The trials that are begun, by number."""
        running = [load_trial(self._plan.search, number) for number in self._running.values()]
        return sorted([*self._ended.values(), *running], key=lambda trial: trial.number)
