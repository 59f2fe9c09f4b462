"""Are test-time views averaged as probabilities or as logarithms? By what the promoted trials say out of fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.comparison import TIED_WITHIN, Difference, paired
from trainables.data.folds import Folds
from trainables.files import save_json
from trainables.layout import SearchFolder
from trainables.member import Member, oof_pred_probs
from trainables.scores import goods_by_image
from trainables.trial import load_recipe
from trainables.view_means import MEANS, fold_answer, mean_of_search


def decide_mean(
    search: SearchFolder, folds: Folds, members: Sequence[Member], labels: NDArray[np.integer], metric: str
) -> str:
    """One of `MEANS` for all members: logarithms only if ahead by more than 1.96 paired standard errors.

    Written once: test images that are predicted already were predicted so. `labels` are of all rows.
    """
    if not search.view_mean.exists():
        found = _difference(search, folds, members, labels[folds.validated], metric)
        ahead = found.behind > TIED_WITHIN * found.se
        row = {"mean": MEANS[int(ahead)], "logarithms_ahead": found.behind, "se": found.se}
        save_json(search.view_mean, row)
    return mean_of_search(search)


def answers(search: SearchFolder, member: Member, folds: Folds) -> NDArray[np.float64]:
    """Out-of-fold probabilities (N, K) of all rows, its views averaged as the search's answer averages them."""
    probs = oof_pred_probs(search, member, folds)
    if mean_of_search(search) != MEANS[0]:
        probs[folds.validated] = _of(search, member, folds, MEANS[1])
    return probs


def _difference(
    search: SearchFolder, folds: Folds, members: Sequence[Member], labels: NDArray[np.integer], metric: str
) -> Difference:
    """How far logarithms are ahead, image by image, the mean over the members that look at several views."""
    several = [each for each in members if any(load_recipe(search.trial(n)).tta_count > 1 for n in each.by_trial)]
    if not several or _is_settled(search, members):
        return Difference(0.0, 0.0)
    goods = [
        np.mean([goods_by_image(metric, _of(search, member, folds, mean), labels) for member in several], axis=0)
        for mean in MEANS
    ]
    return paired(goods[1], goods[0])


def _is_settled(search: SearchFolder, members: Sequence[Member]) -> bool:
    """Whether it is probabilities in any case: where test images were predicted so, where earlier code kept no views,
    and where a mean of nets answers, which is one of views only for probabilities."""
    trials = [(search.trial(number), fold) for member in members for number, fold in member.pairs]
    return any(
        trial.fold(fold).test_probs.exists()
        or not trial.fold(fold).view_probs.exists()
        or len(load_recipe(trial).answering_epochs) > 1
        for trial, fold in trials
    )


def _of(search: SearchFolder, member: Member, folds: Folds, mean: str) -> NDArray[np.float64]:
    """(n, K) of the validated rows."""
    return folds.placed([fold_answer(search, *pair, mean) for pair in member.pairs])[folds.validated]
