"""Weights that are at least 0 and sum to 1, and for which the metric is best: SLSQP from equal weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from analysis.ensemble.method import Labels, Probs, Weighted, blend, equal
from analysis.ensemble.objective import smooth_loss

_NOTHING = 1e-4
"""A smaller weight is none: that member need not predict."""


def fit(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Weighted:
    probs = np.asarray(pred_probs, dtype=np.float64)
    if len(probs) == 1:
        return equal(1)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slopes = smooth_loss(blend(probs, list(weights)), labels, metric)
        return value, np.einsum("mnk,nk->m", probs, slopes)

    found = minimize(
        loss,
        equal(len(probs)).weights,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(probs),
        constraints={"type": "eq", "fun": lambda each: each.sum() - 1.0, "jac": np.ones_like},
        options={"maxiter": 50, "ftol": 1e-7},
    )
    weights = np.where(found.x < _NOTHING, 0.0, found.x)
    return Weighted(tuple(float(weight) for weight in weights / weights.sum()))
