"""Are test-time views averaged as probabilities or as logarithms? By what the promoted trials say out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces.recipe import Recipe
from trainables.comparison import TIED_WITHIN, Difference, paired
from trainables.data.folds import Folds
from trainables.layout import SearchFolder, save_json
from trainables.scores import goods_by_image
from trainables.trial import load_recipe, oof_pred_probs, oof_view_probs
from trainables.view_means import MEANS, mean_of_search, nested_means


def decide_mean(
    search: SearchFolder, folds: Folds, numbers: Sequence[int], labels: NDArray[np.integer], metric: str
) -> str:
    """One of `MEANS` for all members: logarithms only if ahead by more than 1.96 paired standard errors.

    Written once: test images that are predicted already were predicted so. `labels` are of all rows.
    """
    if not search.view_mean.exists():
        found = _difference(search, folds, numbers, labels[folds.validated], metric)
        ahead = found.behind > TIED_WITHIN * found.se
        row = {"mean": MEANS[int(ahead)], "logarithms_ahead": found.behind, "se": found.se}
        save_json(search.view_mean, row)
    return mean_of_search(search)


def answers(search: SearchFolder, number: int, folds: Folds) -> NDArray[np.float64]:
    """Out-of-fold probabilities (N, K) of all rows, its views averaged as the search's answer averages them."""
    probs = oof_pred_probs(search, number, folds)
    if mean_of_search(search) != MEANS[0]:
        probs[folds.validated] = _of(search, number, folds, MEANS[1])
    return probs


def _difference(
    search: SearchFolder, folds: Folds, numbers: Sequence[int], labels: NDArray[np.integer], metric: str
) -> Difference:
    """How far logarithms are ahead, image by image, the mean over the trials that look at several views."""
    recipes = {number: load_recipe(search.trial(number)) for number in numbers}
    several = [number for number, recipe in recipes.items() if recipe.tta_count > 1]
    if not several or _is_settled(search, folds, recipes):
        return Difference(0.0, 0.0)
    goods = [
        np.mean([goods_by_image(metric, _of(search, number, folds, mean), labels) for number in several], axis=0)
        for mean in MEANS
    ]
    return paired(goods[1], goods[0])


def _is_settled(search: SearchFolder, folds: Folds, recipes: Mapping[int, Recipe]) -> bool:
    """Whether it is probabilities in any case: where test images were predicted so, where earlier code kept no views,
    and where a mean of nets answers, which is one of views only for probabilities."""
    of_folds = [search.trial(number).fold(fold) for number in recipes for fold in range(folds.count)]
    return any(folder.test_probs.exists() or not folder.view_probs.exists() for folder in of_folds) or any(
        len(recipe.answering_epochs) > 1 for recipe in recipes.values()
    )


def _of(search: SearchFolder, number: int, folds: Folds, mean: str) -> NDArray[np.float32]:
    count = load_recipe(search.trial(number)).tta_count
    probs: NDArray[np.float32] = nested_means(oof_view_probs(search, number, folds)[:count], mean)[-1]
    return probs
