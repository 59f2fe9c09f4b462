"""Scores of parts of the rows: by class, by source, by fold; and what the nets of fewer folds are worth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.ensemble.greedy import select
from analysis.ensemble.members import Members
from analysis.ensemble.method import Labels, Probs, Weighted, blend_among, equal
from trainables.comparison import Difference, paired
from trainables.scores import accuracy, accuracy_se, hits

Row = dict[str, Any]


def by_class(pred_probs: Probs, labels: Labels, classes: Sequence[str]) -> list[Row]:
    """Recall of each class: of the rows `labels` (N,) that are given it, the share that `pred_probs` (N, K) finds."""
    hit = hits(pred_probs, labels)
    return [{"class": name, **_share(hit[labels == k])} for k, name in enumerate(classes)]


def by_source(pred_probs: Probs, labels: Labels, sources: Sequence[str] | None) -> list[Row]:
    """Accuracy of each source, by name; nothing where there are none. `sources` are of the rows (N,)."""
    if sources is None:
        return []
    return [
        {"source": str(source), **_share(part.to_numpy())}
        for source, part in pd.Series(hits(pred_probs, labels)).groupby(np.array(sources))
    ]


def by_fold(members: Members, probs: Probs) -> list[Row]:
    """What each fold's nets bring: accuracy of every member and of the ensemble `probs` (N, K) on that fold's rows.

    Rows of one fold are easier than another's by chance, so compare along a row and not down a column.
    """
    rows = []
    for fold in members.folds:
        here = members.fold_of == fold
        labels = members.labels[here]
        own = [accuracy(each[here], labels) for each in members.pred_probs]
        rows.append({"fold": fold, "members": own, **_share(hits(probs[here], labels))})
    return rows


def members_by_fold(members: Members, metric: str, seed: int) -> Difference:
    """Would it pay to blend other members in each fold (greedy weights a fold) than the mean of all in every fold?

    How far, in accuracy, the mean is ahead of that; negative where choosing by fold pays. Each half of a fold's rows
    is blended with weights that the other half chose: a row's label chooses nothing that the row is scored with.
    """
    rng = np.random.default_rng(seed)
    mean = equal(len(members))(members.pred_probs)
    probs = mean.copy()  # a fold of one image has no other half
    for fold in members.folds:
        order = rng.permutation(np.flatnonzero(members.fold_of == fold))
        halves = order[::2], order[1::2]
        for here, other in (halves, halves[::-1]):
            if len(other):
                counts = select(members.pred_probs[:, other], members.labels[other], metric)
                probs[here] = blend_among(members.pred_probs[:, here], counts)
    return paired(hits(mean, members.labels), hits(probs, members.labels))


def fold_subsets(net_probs: NDArray[np.floating], labels: Labels, weights: Sequence[float]) -> list[Row]:
    """What the nets of fewer folds are worth: a row a number of folds, over all subsets of that many.

    `net_probs` (M, F, n, K) are every fold net's predictions of n images that none of them trained on, `weights` (M,)
    the members'. `accuracy` is the mean over the subsets, `behind` how far that is behind all folds, paired by image.
    `lowest` and `highest` are of one subset each: the highest is chosen by the images that score it, and flatters.
    Out-of-fold predictions cannot say this: each row has the one net that did not see it, so the score of folds 1
    and 4 is that of other images than the score of all folds, and says which images are easy and not which nets are
    good.
    """
    by_fold = np.stack([Weighted(tuple(weights))(net_probs[:, fold]) for fold in range(net_probs.shape[1])])
    everything = hits(by_fold.mean(0), labels)
    rows = []
    for size in range(1, len(by_fold) + 1):
        subsets = combinations(range(len(by_fold)), size)
        hit = np.stack([hits(by_fold[list(folds)].mean(0), labels) for folds in subsets])
        behind = paired(everything, hit.mean(0))
        shares = hit.mean(1)
        rows.append(
            {
                "folds": size,
                "subsets": len(hit),
                "accuracy": float(shares.mean()),
                "lowest": float(shares.min()),
                "highest": float(shares.max()),
                "behind": behind.behind,
                "se": behind.se,
            }
        )
    return rows


def _share(hit: NDArray[np.floating]) -> Row:
    """Of no rows there is no share: NaN is no JSON, so None."""
    if not len(hit):
        return {"images": 0, "accuracy": None, "se": None}
    share = float(hit.mean())
    return {"images": len(hit), "accuracy": share, "se": accuracy_se(share, len(hit))}
