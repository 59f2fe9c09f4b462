"""A trial as its folder tells it: recipe, epochs, how it ended, its out-of-fold predictions. No torch, no Ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.layout import FoldFolder, SearchFolder, TrialFolder, load_array, load_object

STATUSES = ("finished", "stopped", "cut", "diverged", "failed", "unfinished")
"""Finished: all its epochs. Stopped: by ASHA. Cut: by the end of the search's budget.
Diverged: a non-finite loss. Failed: an error. Else unfinished."""


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
        return self.values(metric)[-1]


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
    folder = search.trial(number)
    recipe = load_recipe(folder)
    epochs = load_epochs(folder.fold(0))
    for status, path in (("stopped", search.rungs), ("cut", search.spending)):
        ended: dict[str, int] = load_object(path, status)[status] if path.exists() else {}
        if str(number) in ended:
            return Trial(number, recipe, status, epochs.head(ended[str(number)]))
    if len(epochs) and bool(epochs["diverged"].iloc[-1]):
        return Trial(number, recipe, "diverged", epochs)
    if len(epochs) == recipe.epochs:
        return Trial(number, recipe, "finished", epochs)
    return Trial(number, recipe, "failed" if folder.error.exists() else "unfinished", epochs)


def load_trials(search: SearchFolder) -> list[Trial]:
    """All trials of a search, by number."""
    return [load_trial(search, number) for number in search.trial_numbers()]


def oof_pred_probs(search: SearchFolder, number: int, folds: Folds) -> NDArray[np.float64]:
    """Out-of-fold probabilities (N, K) of a promoted trial: each row by the one net that did not see it.

    Rows that no fold validates are NaN. Predictions made on other folds are an `InputError`.
    """
    folder = search.trial(number)
    check_fold_hashes(folder, folds)
    return folds.placed([load_array(folder.fold(fold).pred_probs) for fold in range(folds.count)])


def oof_view_probs(search: SearchFolder, number: int, folds: Folds) -> NDArray[np.float32]:
    """Out-of-fold probabilities (views, n, K) of a promoted trial's validated rows, by each test-time view alone."""
    folder = search.trial(number)
    check_fold_hashes(folder, folds)
    parts = [load_array(folder.fold(fold).view_probs) for fold in range(folds.count)]
    views = min(len(part) for part in parts)
    rows = np.concatenate([folds.split(fold)[1] for fold in range(folds.count)])
    probs: NDArray[np.float32] = np.concatenate([part[:views] for part in parts], axis=1)[:, np.argsort(rows)]
    return probs


def check_fold_hashes(folder: TrialFolder, folds: Folds) -> None:
    """Refuse a trial some of whose numbers were measured on other data or other folds, and say which."""
    hashes = {f"fold {fold}": _fold_hash(folder.fold(fold)) for fold in range(folds.count)}
    differing = [f"{name} has {each}" for name, each in hashes.items() if each not in (None, folds.hash)]
    if differing:
        raise InputError(
            f"The numbers of {folder.path} are not of the folds {folds.hash}, and mix with none:", differing
        )


def _fold_hash(folder: FoldFolder) -> str | None:
    epochs = load_epochs(folder)
    return str(epochs["fold_hash"].iloc[-1]) if len(epochs) else None


def trial_nets(search: SearchFolder, number: int, n_folds: int) -> list[Path]:
    """The weight files of a promoted trial whose mean answers, of all folds, each as often as any other."""
    folder = search.trial(number)
    recipe = load_recipe(folder)
    return [net for fold in range(n_folds) for net in folder.fold(fold).nets(recipe)]


def trial_test_probs(search: SearchFolder, number: int, n_folds: int) -> NDArray[np.float64]:
    """Test probabilities (n, K) of a promoted trial: the mean of its fold nets."""
    folder = search.trial(number)
    probs: NDArray[np.float64] = np.mean(
        [load_array(folder.fold(fold).test_probs) for fold in range(n_folds)], axis=0, dtype=np.float64
    )
    return probs
