"""Nested cross-validation: no row is predicted by a blend that was fitted on its label, or chosen by it.

A member's prediction of a row is by a net that did not see it, but a blend fitted on that prediction has. So each
fold's rows are predicted by a blend that was fitted on the other folds. To choose between methods without fold o, each
of the other folds i is predicted by a blend that saw neither o nor i: one fit for each pair of folds serves both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.ensemble.members import Members
from analysis.ensemble.method import Blend, Method, Probs

Fitted = Callable[[], object]
"""Called after every fit."""


def nested(
    method: Method, members: Members, metric: str, seed: int, fitted: Fitted = lambda: None
) -> NDArray[np.float64]:
    """(N, K): each fold's rows by a blend that was fitted on the other folds'."""
    return cross_fitted(method, members, metric, seed, fitted)(members.pred_probs)


def cross_fitted(method: Method, members: Members, metric: str, seed: int, fitted: Fitted = lambda: None) -> Blend:
    """For predictions (M, N, K) of the members' rows, theirs or such at other views: each fold's rows by a blend that
    was fitted on the other folds'."""
    rows = [members.fold_of == fold for fold in members.folds]
    blends = [_fit(method, members, ~here, metric, seed, fitted) for here in rows]

    def blend(pred_probs: Probs) -> NDArray[np.float64]:
        probs = np.empty(pred_probs.shape[1:])
        for here, fold_blend in zip(rows, blends, strict=True):
            probs[here] = fold_blend(pred_probs[:, here])
        return probs

    return blend


def without_two(
    method: Method, members: Members, metric: str, seed: int, fitted: Fitted = lambda: None
) -> NDArray[np.float64]:
    """(F, N, K), F in the order of `members.folds`: entry o has the rows of every other fold i, by a blend that saw
    neither o nor i. NaN in o's own rows. Needs three folds."""
    folds = members.folds
    probs = np.full((len(folds), *members.pred_probs.shape[1:]), np.nan)
    for one, two in combinations(range(len(folds)), 2):
        in_one, in_two = members.fold_of == folds[one], members.fold_of == folds[two]
        blend = _fit(method, members, ~(in_one | in_two), metric, seed, fitted)
        probs[one][in_two] = blend(members.pred_probs[:, in_two])
        probs[two][in_one] = blend(members.pred_probs[:, in_one])
    return probs


def _fit(method: Method, members: Members, rows: NDArray[np.bool_], metric: str, seed: int, fitted: Fitted) -> Blend:
    blend = method(members.pred_probs[:, rows], members.labels[rows], metric, seed)
    fitted()
    return blend
