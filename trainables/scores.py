"""Scores of class probabilities against labels. numpy only, so that notebooks use the very same ones."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# A probability is never taken as smaller than this: one sure and wrong prediction must not be infinite.
_LEAST = 1e-7


def log_loss(pred_probs: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean negative log-likelihood, nats; lower is better. `pred_probs` (N, K), `labels` (N,). NaN stays NaN."""
    picked = np.asarray(pred_probs, dtype=np.float64)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(picked, _LEAST)).mean())


def accuracy(pred_probs: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Share of rows whose likeliest class is the label; higher is better. `pred_probs` (N, K), `labels` (N,)."""
    return float((pred_probs.argmax(1) == labels).mean())


def accuracy_se(share: float, count: int) -> float:
    """Binomial standard error of an accuracy measured on `count` images."""
    return math.sqrt(share * (1.0 - share) / count)


METRICS = ("val_loss", "val_accuracy")
"""What ASHA, promotion and the ensemble can be asked to improve."""


def goodness(metric: str, value: float) -> float:
    """The same number with higher as better, whatever the metric."""
    return -value if metric == "val_loss" else value


def score(metric: str, pred_probs: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The metric's value for `pred_probs` (N, K) and `labels` (N,), as it stands in tables."""
    return log_loss(pred_probs, labels) if metric == "val_loss" else accuracy(pred_probs, labels)
