"""Gradient boosting of shallow trees on the members' log-probabilities."""

from __future__ import annotations

from sklearn.ensemble import HistGradientBoostingClassifier

from analysis.ensemble.method import Blend, Labels, Probs
from analysis.ensemble.stacking import fit_classifier


def fit(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    trees = HistGradientBoostingClassifier(
        learning_rate=0.15,
        max_iter=12,
        max_leaf_nodes=6,
        min_samples_leaf=20,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed,
    )
    return fit_classifier(trees, pred_probs, labels)
