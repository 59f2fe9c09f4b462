"""Multinomial logistic regression on the members' log-probabilities, with an L2 penalty."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression

from analysis.ensemble.method import Blend, Labels, Probs
from analysis.ensemble.stacking import fit_classifier

_INVERSE_PENALTY = 0.01
"""C: a prior deviation of 0.1 for each of the K * M * K weights. 0.1 is ahead by nothing where rows are many, and
overfits 1,000 rows of ten classes."""


def fit(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    return fit_classifier(LogisticRegression(C=_INVERSE_PENALTY, max_iter=100), pred_probs, labels)
