"""A multilayer perceptron on the members' log-probabilities: one hidden layer of 16, L-BFGS, an L2 penalty."""

from __future__ import annotations

from sklearn.neural_network import MLPClassifier

from analysis.ensemble.method import Blend, Labels, Probs
from analysis.ensemble.stacking import fit_classifier

_MOST_PENALTY = 100.0
"""Of half the squared weights, beside the sum of the rows' losses. So much leaves nothing of a net of few rows."""


def fit(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    net = MLPClassifier(
        (16,), solver="lbfgs", alpha=min(_MOST_PENALTY, len(labels) / 10), max_iter=50, random_state=seed
    )
    return fit_classifier(net, pred_probs, labels)
