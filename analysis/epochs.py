"""Which epochs should answer: the last, the best, a mean or a soup of the last, on out-of-fold predictions.

Each way is held against the last epoch's net, image by image, and its difference has a paired error. That a training
is worth more a little before its end is what the choice of a best epoch hopes for; chosen by the images that are then
scored it looks better than it is, so it also stands here as the other folds would have chosen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search_spaces.recipe import Recipe
from trainables.comparison import TIED_WITHIN, paired
from trainables.data.folds import Folds
from trainables.files import load_array
from trainables.layout import FoldFolder, SearchFolder
from trainables.scores import Labels, Probs, goodness, goods_by_image, hits

MEANS = (2, 3, 4)
"""Of how many last epochs a mean is compared; the recipe's own number too."""


@dataclass(frozen=True, eq=False)
class FoldEpochs:
    """What the epochs of one training said of its n validation images."""

    labels: Labels
    epochs: Sequence[Probs]
    """(n, K) of every epoch's net, the first epoch's first."""
    soup: Probs | None = None
    not_averaged: Probs | None = None
    """Of the last epoch's net itself, where its moving average is the epoch's net."""


Probabilities = list[Probs | None]
"""What a way to answer says, by fold; None where a fold lacks what it needs."""


def compare_epochs(folds: Sequence[FoldEpochs], recipe: Recipe, metric: str) -> list[dict[str, Any]]:
    """A row for each way to answer, the last epoch first.

    `way`; `answers`, whether the recipe does so; `flatters`, whether the images that it is scored on chose it; `folds`
    that have what it needs; `metric` and `accuracy` on their images; how far it is `ahead` of the last epoch on the
    same images, in the metric's units and higher for better, and `accuracy_ahead`, each with its `_se`; and whether the
    former is `beyond` 1.96 of its errors.
    """
    rows = []
    for way, said in _ways(folds, recipe, metric).items():
        answered = [(fold, probs) for fold, probs in zip(folds, said, strict=True) if probs is not None]
        if answered:
            about = {"way": way, "answers": way == _way_of(recipe), "flatters": way == _BEST}
            rows.append(about | _row(answered, metric))
    return rows


_LAST, _BEST, _NESTED = "last epoch", "best epoch of each fold", "best epoch by the other folds"


def _mean(count: int) -> str:
    return f"mean of the last {count}"


def _soup(recipe: Recipe) -> str:
    return f"soup of the last {len(recipe.late_epochs)}"


def _way_of(recipe: Recipe) -> str:
    return {"last": _LAST, "soup": _soup(recipe), "mean": _mean(len(recipe.late_epochs))}[recipe.answer]


def _ways(folds: Sequence[FoldEpochs], recipe: Recipe, metric: str) -> dict[str, Probabilities]:
    ways: dict[str, Probabilities] = {_LAST: [fold.epochs[-1] for fold in folds]}
    if recipe.epochs > 1:
        own, others = best_epochs(folds, metric)
        ways[_BEST] = [fold.epochs[epoch - 1] for fold, epoch in zip(folds, own, strict=True)]
        if others:
            ways[_NESTED] = [fold.epochs[epoch - 1] for fold, epoch in zip(folds, others, strict=True)]
        for count in sorted({*MEANS, len(recipe.late_epochs)}):
            if count <= recipe.epochs:
                ways[_mean(count)] = [np.mean(fold.epochs[-count:], axis=0) for fold in folds]
        if recipe.epochs > (most := max(MEANS)):
            ways[f"mean of the {most} before the last"] = [np.mean(f.epochs[-most - 1 : -1], axis=0) for f in folds]
        ways[_soup(recipe)] = [fold.soup for fold in folds]
    if recipe.ema_decay:
        ways["last epoch without moving average"] = [fold.not_averaged for fold in folds]
    return ways


def best_epochs(folds: Sequence[FoldEpochs], metric: str) -> tuple[list[int], list[int]]:
    """For each fold the epoch, from 1 on, that is best on it, and the one that is best on the images of all others.

    The first of equal ones. Where there is one fold only, no others choose for it.
    """
    totals = np.array([[goods_by_image(metric, probs, f.labels).sum() for probs in f.epochs] for f in folds])
    own = [int(each.argmax()) + 1 for each in totals]
    others = [int(np.delete(totals, fold, axis=0).sum(0).argmax()) + 1 for fold in range(len(folds))]
    return own, others if len(folds) > 1 else []


def _row(answered: Sequence[tuple[FoldEpochs, Probs]], metric: str) -> dict[str, Any]:
    goods = np.concatenate([goods_by_image(metric, probs, fold.labels) for fold, probs in answered])
    of_last = np.concatenate([goods_by_image(metric, fold.epochs[-1], fold.labels) for fold, _ in answered])
    right = np.concatenate([hits(probs, fold.labels) for fold, probs in answered])
    right_of_last = np.concatenate([hits(fold.epochs[-1], fold.labels) for fold, _ in answered])
    difference, of_accuracy = paired(goods, of_last), paired(right, right_of_last)
    return {
        "folds": len(answered),
        "images": len(goods),
        "metric": goodness(metric, float(goods.mean())),
        "accuracy": float(right.mean()),
        "ahead": difference.behind,
        "ahead_se": difference.se,
        "accuracy_ahead": of_accuracy.behind,
        "accuracy_ahead_se": of_accuracy.se,
        "beyond": not difference.tied,
    }


def load_fold_epochs(
    search: SearchFolder, number: int, recipe: Recipe, labels: Labels, folds: Folds, answered: Sequence[int]
) -> list[FoldEpochs]:
    """Of a promoted trial, by the folds that it answers in. One that lost the predictions of an epoch is left out."""
    found = []
    for fold in answered:
        folder = search.trial(number).fold(fold)
        paths = [folder.epoch_probs(epoch) for epoch in range(1, recipe.epochs + 1)]
        if all(path.exists() for path in paths):
            found.append(_load(folder, [load_array(path) for path in paths], labels[folds.split(fold)[1]]))
    return found


def _load(folder: FoldFolder, epochs: list[Probs], labels: Labels) -> FoldEpochs:
    soup, not_averaged = (
        load_array(path) if path.exists() else None for path in (folder.soup_probs, folder.not_averaged_probs)
    )
    return FoldEpochs(labels, epochs, soup, not_averaged)


def verdict(rows: Sequence[dict[str, Any]], metric: str) -> str:
    """One sentence on all trials' rows: whether any difference from the last epoch is more than its error.

    Who is chosen by the images that score it does not count. Of so many comparisons, some are beyond it by chance.
    """
    compared = [row for row in rows if row["way"] != _LAST and not row["flatters"]]
    beyond = [row for row in compared if row["beyond"]]
    if not compared:
        return ""
    errors = f"{TIED_WITHIN} standard errors of {metric}"
    counted = f"Of {len(compared)} comparisons that do not flatter"
    if not beyond:
        return f"{counted}, none is beyond {errors}: these images do not tell them apart."
    by_way: dict[str, list[str]] = {}
    for row in beyond:
        direction = "better" if row["ahead"] > 0 else "worse"
        by_way.setdefault(f"{row['way']}, {direction} on trial", []).append(f"{row['trial']:03d}")
    named = "; ".join(f"{way} {', '.join(trials)}" for way, trials in by_way.items())
    by_chance = f"about {len(compared) / 20:.1f} would be by chance alone if nothing differed"
    return f"{counted}, {len(beyond)} beyond {errors} ({by_chance}): {named}."
