"""The metric as methods improve it: as `trainables.scores` has it, but fast enough to be asked hundreds of times.

Where the metric takes a temperature, it is fitted on all rows at once. That would flatter a score, so scores
cross-fit it; a choice of weights by the same rows flatters far more, and is scored on other rows anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.ensemble.method import Labels, Probs
from trainables.scores import LEAST, ROBUST_POWER

Array = NDArray[np.float64]

_STEPS, _CLOSE = 12, 1e-3

_POWERS = (0.05, 20.0)
"""Between these lies the power that probabilities are raised to: 1 / temperature."""

_BOUND = {"val_nll": 0.0, "val_loss": 0.0, "val_robust_loss": ROBUST_POWER, "val_accuracy": ROBUST_POWER}
"""q of each metric's bounded loss, 0 for the likelihood. Accuracy has no slope: the robust loss, the nearest to it,
stands in for it where slopes are asked for."""


@dataclass(frozen=True)
class Fit:
    """Probabilities (N, K) raised to the power that makes the labels likeliest."""

    logs: Array
    scaled: Array
    rows: NDArray[np.intp]
    power: float

    @property
    def free(self) -> bool:
        """Whether the power was fitted and is at no end of its range."""
        return self.power not in (1.0, *_POWERS)


def fit_power(probs: Probs, labels: Labels, metric: str, start: float = 1.0) -> Fit:
    """By Newton's method from `start`; the power stays 1 where the metric takes no temperature.

    The loss is convex in the power (it is linear in the logits). A step is at most a factor of 4.
    """
    logs, rows, power = np.log(np.maximum(probs, LEAST)), np.arange(len(labels)), start
    scaled = _raised(logs, power)
    for _ in range(0 if metric == "val_nll" else _STEPS):
        mean = np.einsum("nk,nk->n", scaled, logs)
        curve = (np.einsum("nk,nk,nk->n", scaled, logs, logs) - mean**2).mean()
        step = (mean - logs[rows, labels]).mean() / max(curve, 1e-12)
        before, power = power, float(np.clip(power - step, power / 4, power * 4).clip(*_POWERS))
        scaled = _raised(logs, power)
        if abs(power - before) < _CLOSE * before:
            break
    return Fit(logs, scaled, rows, power)


def mean_loss(fit: Fit, labels: Labels, metric: str) -> float:
    """What is to be made small: the metric, or the share of wrong answers."""
    if metric == "val_accuracy":
        return float((fit.scaled.argmax(1) != labels).mean())
    return float(_bounded(fit.scaled[fit.rows, labels], _BOUND[metric]).mean())


def smooth_loss(probs: Probs, labels: Labels, metric: str) -> tuple[float, Array]:
    """The mean loss and its slopes (N, K) by each probability, the power fitted anew wherever they move.

    The power is fitted to the likelihood and not to the bounded loss, so that what it does to that has to be counted:
    without, whatever is sharper at the power of the moment looks better than it is.
    """
    fit, q = fit_power(probs, labels, metric), _BOUND[metric]
    picked = np.maximum(fit.scaled[fit.rows, labels], LEAST)
    pull = picked**q
    by_log = fit.power * pull[:, None] * _less_labels(fit, labels)
    if q and fit.free:
        by_log -= _by_power(fit, labels, pull) * _power_slopes(fit, labels)
    return float(_bounded(picked, q).mean()), by_log / len(labels) / np.maximum(probs, LEAST)


def _less_labels(fit: Fit, labels: Labels) -> Array:
    """Probabilities less 1 at the labels: the slopes of the likelihood by the logits."""
    slopes = fit.scaled.copy()
    slopes[fit.rows, labels] -= 1.0
    return slopes


def _by_power(fit: Fit, labels: Labels, pull: Array) -> float:
    """Slope of the bounded loss by the power, over the likelihood's curvature in it (implicit function theorem)."""
    mean = np.einsum("nk,nk->n", fit.scaled, fit.logs)
    curve = (np.einsum("nk,nk,nk->n", fit.scaled, fit.logs, fit.logs) - mean**2).mean()
    return float((pull * (mean - fit.logs[fit.rows, labels])).mean() / max(curve, 1e-12))


def _power_slopes(fit: Fit, labels: Labels) -> Array:
    """Slopes by each log-probability of the likelihood's slope in the power, (N, K)."""
    mean = np.einsum("nk,nk->n", fit.scaled, fit.logs)
    slopes: Array = _less_labels(fit, labels) + fit.power * fit.scaled * (fit.logs - mean[:, None])
    return slopes


def _raised(logs: Array, power: float) -> Array:
    scaled = logs * power
    scaled -= scaled.max(1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(1, keepdims=True)
    return scaled


def _bounded(picked: Array, q: float) -> Array:
    """(1 - p^q) / q, whose limit at q = 0 is -log p."""
    logs = np.log(np.maximum(picked, LEAST))
    values: Array = -np.expm1(q * logs) / q if q else -logs
    return values
