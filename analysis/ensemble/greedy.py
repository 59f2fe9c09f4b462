"""Greedy selection with replacement (Caruana et al., "Ensemble selection from libraries of models", ICML 2004)."""

from __future__ import annotations

import numpy as np

from analysis.ensemble.method import Labels, Probs, Weighted
from analysis.ensemble.objective import fit_power, mean_loss

ROUNDS = 25

_SAME = 1e-5
"""A smaller gain is none: a temperature is fitted no nearer, and one row of 20,000 more is a greater one."""


def fit(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Weighted:
    counts = select(pred_probs, labels, metric)
    return Weighted(tuple(count / sum(counts) for count in counts))


def select(pred_probs: Probs, labels: Labels, metric: str, rounds: int = ROUNDS) -> list[int]:
    """How often each member is picked. `pred_probs` (M, N, K) out of sample, `labels` (N,).

    Each round adds the member that makes the mean best, the same one again if need be; the picks up to the best
    round count, the earliest among equals. Ties between members go to the first.
    """
    probs = np.asarray(pred_probs, dtype=np.float64)
    tempered_for = "val_nll" if metric == "val_accuracy" else metric  # no temperature changes an answer
    total, power = np.zeros(probs.shape[1:]), 1.0
    picks: list[int] = []
    losses: list[float] = []
    for done in range(1, rounds + 1):
        fits = [fit_power((total + each) / done, labels, tempered_for, power) for each in probs]
        candidates = [mean_loss(each, labels, metric) for each in fits]
        pick = int(np.argmin(candidates))
        total += probs[pick]
        power = fits[pick].power
        picks.append(pick)
        losses.append(candidates[pick])
    rounds_kept = next(done for done, loss in enumerate(losses, start=1) if loss <= min(losses) + _SAME)
    kept = picks[:rounds_kept]
    return [kept.count(member) for member in range(len(probs))]
