"""Majority vote: each member has one vote, for its likeliest class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.ensemble.method import Blend, Labels, Probs


def fit(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    return vote


def vote(pred_probs: Probs) -> NDArray[np.float64]:
    """Shares of the votes (n, K), the mean of the probabilities counted as one vote more.

    Spread over the classes, that vote never overrules a majority; it decides ties, and keeps shares above 0, so that a
    likelihood can be taken of them.
    """
    votes = np.eye(pred_probs.shape[2])[pred_probs.argmax(2)].sum(0)
    shares: NDArray[np.float64] = (votes + pred_probs.mean(0, dtype=np.float64)) / (len(pred_probs) + 1)
    return shares
