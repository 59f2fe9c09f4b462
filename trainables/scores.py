"""Scores of class probabilities against labels. numpy and scipy only, so that notebooks use the very same ones.

Two things keep `val_loss` comparable between recipes: probabilities come through each loss's own link, and one
temperature is fitted before the likelihood is taken, so that a net is judged by what it can tell apart and not by how
sure it says it is (refine, then calibrate: arXiv 2501.19195). The temperature is cross-fitted: no image is scored
with one that it helped to fit, which would flatter. `val_robust_loss` is the same with a bound on what one label can
cost, since validation labels are wrong too; docs/score.md has why trials are compared by it.

scipy is imported where it is used: the command line has `METRICS` from here, and is read before anything slow is there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Probs = NDArray[np.floating]
Labels = NDArray[np.integer]

# A probability is never taken as smaller than this: one sure and wrong prediction must not be infinite.
LEAST = 1e-7

_TEMPERATURES = (0.05, 20.0)
"""Between these a temperature is sought: a perfect fold would have none, a hopeless one an infinite one."""

CALIBRATION_BINS = 15

ROBUST_POWER = 0.7
"""q of the generalized cross-entropy (arXiv 1805.07836): 0 is the likelihood, 1 the probability of error."""

METRICS = ("val_robust_loss", "val_loss", "val_nll", "val_accuracy")
"""What ASHA, promotion and the ensemble can be asked to improve, the default first: the means of `robust_losses`,
`calibrated_losses`, `losses` and `hits`."""


def losses(pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """Negative log-likelihood (N,) of each label, nats. `pred_probs` (N, K), `labels` (N,). NaN stays NaN."""
    picked = np.asarray(pred_probs, dtype=np.float64)[np.arange(len(labels)), labels]
    values: NDArray[np.float64] = -np.log(np.maximum(picked, LEAST))
    return values


def calibrated_losses(pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """`losses` after one temperature, fitted on one random half of the rows and applied to the other, both ways."""
    if len(labels) < 2:
        return losses(pred_probs, labels)
    scored = np.full(len(labels), np.nan)
    order = np.random.default_rng(0).permutation(len(labels))
    halves = order[::2], order[1::2]
    for fitted, applied in (halves, halves[::-1]):
        temperature = fit_temperature(pred_probs[fitted], labels[fitted])
        scored[applied] = losses(tempered(pred_probs[applied], temperature), labels[applied])
    return scored


def robust_losses(pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """(1 - p^q) / q of each label's calibrated probability, (N,): a wrong label costs at most 1 / 0.7."""
    return _bounded(calibrated_losses(pred_probs, labels))


def _bounded(calibrated: NDArray[np.float64]) -> NDArray[np.float64]:
    bounded: NDArray[np.float64] = -np.expm1(-ROBUST_POWER * calibrated) / ROBUST_POWER
    return bounded


def hits(pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """1.0 where the likeliest class is the label, else 0.0, (N,)."""
    right: NDArray[np.float64] = (pred_probs.argmax(1) == labels).astype(np.float64)
    return right


def tempered(pred_probs: Probs, temperature: float) -> NDArray[np.float64]:
    """p^(1/T), made to sum to 1 again, (N, K): above 1 less sure, below 1 surer. The order of classes stays."""
    from scipy.special import softmax

    scaled = np.log(np.maximum(np.asarray(pred_probs, dtype=np.float64), LEAST)) / temperature
    result: NDArray[np.float64] = softmax(scaled, axis=1)
    return result


def fit_temperature(pred_probs: Probs, labels: Labels) -> float:
    """The temperature in [0.05, 20] with the least mean `losses` on these rows; NaN where a probability is NaN."""
    from scipy.optimize import minimize_scalar

    if np.isnan(pred_probs).any():
        return math.nan
    low, high = _TEMPERATURES
    found = minimize_scalar(
        lambda log_t: losses(tempered(pred_probs, math.exp(log_t)), labels).mean(),
        bounds=(math.log(low), math.log(high)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return math.exp(float(found.x))


def calibration_error(pred_probs: Probs, labels: Labels) -> float:
    """Expected calibration error of the likeliest class: 15 even bins, mean |accuracy - confidence| by rows."""
    if np.isnan(pred_probs).any():
        return math.nan
    confidence, right = pred_probs.max(1), hits(pred_probs, labels)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def log_loss(pred_probs: Probs, labels: Labels) -> float:
    """Mean of `losses`; lower is better."""
    return float(losses(pred_probs, labels).mean())


def accuracy(pred_probs: Probs, labels: Labels) -> float:
    """Mean of `hits`; higher is better."""
    return float(hits(pred_probs, labels).mean())


def accuracy_se(share: float, count: int) -> float:
    """Binomial standard error of an accuracy measured on `count` images."""
    return math.sqrt(share * (1.0 - share) / count)


def shown(metric: str) -> tuple[str, str]:
    """The two numbers that tables and curves show of a trial: the one that decides, or `val_loss`, and accuracy."""
    return "val_loss" if metric == "val_accuracy" else metric, "val_accuracy"


def goodness(metric: str, value: float) -> float:
    """The same number with higher as better, whatever the metric."""
    return value if metric == "val_accuracy" else -value


def by_image(metric: str, pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """The metric for every image, (N,); its mean is the metric's value as it stands in tables."""
    scored = {
        "val_robust_loss": robust_losses,
        "val_loss": calibrated_losses,
        "val_nll": losses,
        "val_accuracy": hits,
    }
    return scored[metric](pred_probs, labels)


def goods_by_image(metric: str, pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """`by_image` with higher as better, whatever the metric."""
    return goodness(metric, 1.0) * by_image(metric, pred_probs, labels)


def score(metric: str, pred_probs: Probs, labels: Labels) -> float:
    """The metric's value for `pred_probs` (N, K) and `labels` (N,), as it stands in tables."""
    return float(by_image(metric, pred_probs, labels).mean())


def validation(pred_probs: Probs, labels: Labels) -> dict[str, float]:
    """All that an epoch reports of its validation images: the metrics, standard errors, and how calibrated they are."""
    calibrated = calibrated_losses(pred_probs, labels)
    by_metric = {
        "val_robust_loss": _bounded(calibrated),
        "val_loss": calibrated,
        "val_nll": losses(pred_probs, labels),
        "val_accuracy": hits(pred_probs, labels),
    }
    means = {metric: float(values.mean()) for metric, values in by_metric.items()}
    errors = {f"{metric}_se": float(values.std() / math.sqrt(len(labels))) for metric, values in by_metric.items()}
    return {
        **means,
        **errors,
        "temperature": fit_temperature(pred_probs, labels),
        "calibration_error": calibration_error(pred_probs, labels),
    }
