"""Which loss a recipe means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.losses.bi_tempered import BiTempered
from trainables.losses.cross_entropy import CrossEntropy
from trainables.losses.focal import Focal
from trainables.losses.focal_cosine import FocalCosine
from trainables.losses.gamblers import Gamblers
from trainables.losses.loss import Loss
from trainables.losses.ohem import Ohem
from trainables.losses.ousm import Ousm
from trainables.losses.symmetric_cross_entropy import SymmetricCrossEntropy
from trainables.losses.taylor_cross_entropy import TaylorCrossEntropy

_OF_NAME: dict[str, Callable[[Recipe], Loss]] = {
    "bi_tempered": lambda r: BiTempered(r.t1, r.t2, r.smoothing),
    "cross_entropy": lambda r: CrossEntropy(r.smoothing),
    "symmetric_cross_entropy": lambda r: SymmetricCrossEntropy(r.sce_alpha, r.sce_beta, r.smoothing),
    "focal": lambda r: Focal(r.focal_gamma, r.smoothing),
    "focal_cosine": lambda r: FocalCosine(r.focal_gamma, r.focal_weight, r.smoothing),
    "taylor_cross_entropy": lambda r: TaylorCrossEntropy(r.taylor_order, r.smoothing),
    "gamblers": lambda r: Gamblers(r.gamblers_reward, r.smoothing),
}


def loss_of(recipe: Recipe) -> Loss:
    """The recipe's loss, whose link every prediction goes through."""
    loss = _OF_NAME[recipe.loss](recipe)
    if recipe.ousm_drop:
        return Ousm(loss, recipe.ousm_drop)
    return Ohem(loss, recipe.ohem_keep) if recipe.ohem_keep < 1.0 else loss


def check_losses(recipes: Sequence[Recipe], n_classes: int) -> None:
    """Refuse recipes whose loss does not suit so many classes, all at once."""
    problems = [
        f"gamblers_reward must be in (1, {n_classes}], the number of classes, got {recipe.gamblers_reward:g}"
        for recipe in recipes
        if recipe.loss == "gamblers" and recipe.gamblers_reward > n_classes
    ]
    if problems:
        raise InputError("A recipe's loss must suit the classes of the data:", list(dict.fromkeys(problems)))
