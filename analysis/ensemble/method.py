"""What a method of blending is: it is fitted on out-of-fold predictions, and gives a function of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Probs = NDArray[np.floating]
Labels = NDArray[np.integer]

Blend = Callable[[Probs], NDArray[np.float64]]
"""Members' class probabilities (M, n, K) to the ensemble's (n, K); rows sum to 1."""

Method = Callable[[Probs, Labels, str, int], Blend]
"""`fit(pred_probs, labels, metric, seed)`: `pred_probs` (M, N, K) out of sample, `labels` (N,) as given, the metric to
improve (see `trainables.scores.METRICS`). The same arguments give the same blend."""


@dataclass(frozen=True)
class Weighted:
    """The weighted mean: a blend that its weights tell whole."""

    weights: tuple[float, ...]
    """One a member, at least 0, summing to 1."""

    def __call__(self, pred_probs: Probs) -> NDArray[np.float64]:
        return blend(pred_probs, self.weights)


def equal(members: int) -> Weighted:
    """The simple mean of so many members."""
    return Weighted((1.0 / members,) * members)


def blend(pred_probs: Probs | Sequence[Probs], weights: Sequence[float]) -> NDArray[np.float64]:
    """The weighted mean (N, K) of members' probabilities; weights sum to 1."""
    mixed: NDArray[np.float64] = np.einsum("m,mnk->nk", np.asarray(weights), np.asarray(pred_probs, dtype=np.float64))
    return mixed


def blend_among(pred_probs: Probs | Sequence[Probs], weights: Sequence[float]) -> NDArray[np.float64]:
    """`blend` by weights, or counts of picks, of any sum above 0."""
    total = sum(weights)
    return blend(pred_probs, [weight / total for weight in weights])
