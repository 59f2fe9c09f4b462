"""A trial as its folder tells it: recipe, epochs, how it ended. No torch, no Ray."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.files import load_object
from trainables.layout import FoldFolder, SearchFolder, TrialFolder

STATUSES = ("finished", "stopped", "cut", "slow", "diverged", "failed", "unfinished")
"""Finished: all its epochs. Stopped: by ASHA. Cut: by the end of the search's budget. Slow: cut before that end, since
its folds would have taken longer than half of it, or than what was left, and another's would not. Diverged: a
non-finite loss. Failed: an error. Else unfinished."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A recipe and its search on fold 0."""

    number: int
    recipe: Recipe
    status: str
    epochs: pd.DataFrame
    """One row an epoch up to where the search left it; promotion's further epochs are not among them."""

    @property
    def epoch(self) -> int:
        """The last epoch of the search, 0 where none was trained."""
        return len(self.epochs)

    @property
    def judged(self) -> bool:
        """Whether its newest score may be compared."""
        return self.status in ("finished", "stopped", "cut") and self.epoch > 0

    def values(self, metric: str) -> list[float]:
        """The metric after every epoch of the search."""
        return [float(value) for value in self.epochs[metric]] if self.epoch else []

    def last(self, metric: str) -> float:
        """The metric after the last epoch of the search."""
        return float(self.epochs[metric].iloc[-1])


def load_recipe(folder: TrialFolder) -> Recipe:
    """The recipe of a trial. `InputError` with the file's name where it is none."""
    stored = load_object(folder.recipe)
    try:
        return Recipe.from_dict(stored)
    except InputError as error:
        raise InputError(f"{folder.recipe}: {error.rule}", error.problems) from None


def load_epochs(folder: FoldFolder) -> pd.DataFrame:
    """One row an epoch; empty where none is trained."""
    try:
        return pd.read_csv(folder.metrics) if folder.metrics.exists() else pd.DataFrame()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder.metrics} cannot be read as CSV: {error}; without {folder.path}, --resume trains that fold again"
        ) from None


def load_trial(search: SearchFolder, number: int) -> Trial:
    """The trial as it stands on disk."""
    return _load(search, number, _ended(search))


def load_trials(search: SearchFolder, numbers: Iterable[int] | None = None) -> list[Trial]:
    """These trials of a search, or all, by number."""
    ended = _ended(search)
    return [_load(search, number, ended) for number in (search.trial_numbers() if numbers is None else numbers)]


Ended = dict[str, dict[str, int]]
"""By status, the epoch at which each trial was ended, by its number as JSON has it."""


def _ended(search: SearchFolder) -> Ended:
    """Whom the search itself ended. These files grow with the search, so all trials are told by one reading."""
    stopped = load_object(search.rungs, "stopped") if search.rungs.exists() else {}
    spending = load_object(search.spending, "cut") if search.spending.exists() else {}
    return {"stopped": stopped.get("stopped", {}), "cut": spending.get("cut", {}), "slow": spending.get("slow", {})}


def _load(search: SearchFolder, number: int, ended: Ended) -> Trial:
    folder = search.trial(number)
    recipe = load_recipe(folder)
    epochs = load_epochs(folder.fold(0))
    for status, at in ended.items():
        if str(number) in at:
            return Trial(number, recipe, status, epochs.head(at[str(number)]))
    if len(epochs) and bool(epochs["diverged"].iloc[-1]):
        return Trial(number, recipe, "diverged", epochs)
    if len(epochs) == recipe.epochs:
        return Trial(number, recipe, "finished", epochs)
    return Trial(number, recipe, "failed" if folder.error.exists() else "unfinished", epochs)
