"""The simple mean of the members' probabilities: nothing is fitted, so nothing can be fitted too well."""

from __future__ import annotations

from analysis.ensemble.method import Labels, Probs, Weighted, equal


def fit(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Weighted:
    return equal(len(pred_probs))
