"""The learning rate as a pure function of how far the training is, so that a resumed one needs no state of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from search_spaces.recipe import Recipe


def learning_rate(recipe: Recipe, done: float, val_losses: Sequence[float] = ()) -> float:
    """The rate when the share `done` in (0, 1] of all steps is made; `val_losses` are of the epochs so far.

    After a linear warm-up: a cosine to zero (`cosine`), cosines that begin again every `restart_epochs`
    (`cosine_restarts`, SGDR, arXiv 1608.03983), or a rate that is multiplied by `plateau_factor` whenever `val_loss`
    has not improved for more than `plateau_patience` epochs (`plateau`).
    """
    if done < recipe.warm_up:
        return recipe.learning_rate * done / recipe.warm_up
    if recipe.schedule == "plateau":
        return recipe.learning_rate * recipe.plateau_factor ** plateaus(val_losses, recipe.plateau_patience)
    if recipe.schedule == "cosine_restarts":
        epochs = (done - recipe.warm_up) * recipe.epochs
        return recipe.learning_rate * _cosine(math.fmod(epochs, recipe.restart_epochs) / recipe.restart_epochs)
    return recipe.learning_rate * _cosine((done - recipe.warm_up) / (1 - recipe.warm_up))


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


def plateaus(values: Sequence[float], patience: int) -> int:
    """How often more than `patience` values in a row were no new minimum; the count begins anew after each time."""
    best, waited, count = math.inf, 0, 0
    for value in values:
        waited = 0 if value < best else waited + 1
        best = min(best, value)
        if waited > patience:
            waited, count = 0, count + 1
    return count
