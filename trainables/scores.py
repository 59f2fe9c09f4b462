"""Scores of class probabilities against labels. numpy and scipy only, so that notebooks use the very same ones.

`val_loss` is the number that trials are compared by. Two things keep it comparable between recipes: probabilities
come through each loss's own link, and one temperature is fitted before the likelihood is taken, so that a net is
judged by what it can tell apart and not by how sure it says it is (refine, then calibrate: arXiv 2501.19195). The
temperature is cross-fitted: no image is scored with one that it helped to fit, which would flatter.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

Probs = NDArray[np.floating]
Labels = NDArray[np.integer]

# A probability is never taken as smaller than this: one sure and wrong prediction must not be infinite.
_LEAST = 1e-7

_TEMPERATURES = (0.05, 20.0)
"""Between these a temperature is sought: a perfect fold would have none, a hopeless one an infinite one."""

CALIBRATION_BINS = 15

METRICS = ("val_loss", "val_nll", "val_accuracy")
"""What ASHA, promotion and the ensemble can be asked to improve: `calibrated_losses`, `losses`, `hits`, as means."""


def losses(pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """Negative log-likelihood (N,) of each label, nats. `pred_probs` (N, K), `labels` (N,). NaN stays NaN."""
    picked = np.asarray(pred_probs, dtype=np.float64)[np.arange(len(labels)), labels]
    values: NDArray[np.float64] = -np.log(np.maximum(picked, _LEAST))
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


def hits(pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """1.0 where the likeliest class is the label, else 0.0, (N,)."""
    right: NDArray[np.float64] = (pred_probs.argmax(1) == labels).astype(np.float64)
    return right


def tempered(pred_probs: Probs, temperature: float) -> NDArray[np.float64]:
    """p^(1/T), made to sum to 1 again, (N, K): above 1 less sure, below 1 surer. The order of classes stays."""
    scaled = np.log(np.maximum(np.asarray(pred_probs, dtype=np.float64), _LEAST)) / temperature
    result: NDArray[np.float64] = softmax(scaled, axis=1)
    return result


def fit_temperature(pred_probs: Probs, labels: Labels) -> float:
    """The temperature in [0.05, 20] with the least mean `losses` on these rows; NaN where a probability is NaN."""
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


def goodness(metric: str, value: float) -> float:
    """The same number with higher as better, whatever the metric."""
    return value if metric == "val_accuracy" else -value


def by_image(metric: str, pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """The metric for every image, (N,); its mean is the metric's value as it stands in tables."""
    return {"val_loss": calibrated_losses, "val_nll": losses, "val_accuracy": hits}[metric](pred_probs, labels)


def goods_by_image(metric: str, pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """`by_image` with higher as better, whatever the metric."""
    return goodness(metric, 1.0) * by_image(metric, pred_probs, labels)


def score(metric: str, pred_probs: Probs, labels: Labels) -> float:
    """The metric's value for `pred_probs` (N, K) and `labels` (N,), as it stands in tables."""
    return float(by_image(metric, pred_probs, labels).mean())


def validation(pred_probs: Probs, labels: Labels) -> dict[str, float]:
    """All that an epoch reports of its validation images: the metrics, standard errors, and how calibrated they are."""
    loss, hit = calibrated_losses(pred_probs, labels), hits(pred_probs, labels)
    return {
        "val_loss": float(loss.mean()),
        "val_loss_se": float(loss.std() / math.sqrt(len(labels))),
        "val_accuracy": float(hit.mean()),
        "val_accuracy_se": accuracy_se(float(hit.mean()), len(labels)),
        "val_nll": log_loss(pred_probs, labels),
        "temperature": fit_temperature(pred_probs, labels),
        "calibration_error": calibration_error(pred_probs, labels),
    }
