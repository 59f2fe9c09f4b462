"""Every method by name, the mean first: it is what the others have to beat."""

from __future__ import annotations

from analysis.ensemble import boosting, greedy, logistic, mean, mlp, simplex, vote
from analysis.ensemble.method import Blend, Labels, Method, Probs

MEAN = "mean"


def _cnn_1d(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    from analysis.ensemble import cnn  # torch: only where it is fitted

    return cnn.fit_1d(pred_probs, labels, metric, seed)


def _cnn_2d(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    from analysis.ensemble import cnn

    return cnn.fit_2d(pred_probs, labels, metric, seed)


METHODS: dict[str, Method] = {
    MEAN: mean.fit,
    "vote": vote.fit,
    "simplex": simplex.fit,
    "greedy": greedy.fit,
    "logistic": logistic.fit,
    "mlp": mlp.fit,
    "cnn_1d": _cnn_1d,
    "cnn_2d": _cnn_2d,
    "boosting": boosting.fit,
}

WEIGHTED = (MEAN, "simplex", "greedy")
"""Methods whose blends are weights and nothing else."""
