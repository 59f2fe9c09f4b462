"""Which labels look wrong: confident learning on predictions by nets that did not see the rows.

Northcutt, Jiang, Chuang: Confident Learning, arXiv 1911.00068, by the library cleanlab, which only this file imports.
`pred_probs` (N, K) are out of sample, rows sum to 1; `labels` (N,) are as given.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainables.scores import Labels, Probs, fit_temperature, tempered

try:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm misses widgets in a notebook: no bar is shown
        from cleanlab.count import estimate_joint
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores
except ImportError:  # who leaves it out can do without suspicious labels
    find_label_issues = None

MISSING = "suspicious labels need the library cleanlab; `pip install cleanlab`"


def available() -> bool:
    """Whether the library is there."""
    return find_label_issues is not None


def suspicious(labels: Labels, pred_probs: Probs) -> NDArray[np.bool_]:
    """Which labels look wrong, (N,): of each pair of classes as many as the confident joint counts, worst first.

    Suspicions, not findings. At least one row of every class is left in peace. `InputError` without cleanlab.
    """
    _check_available()
    flagged: NDArray[np.bool_] = find_label_issues(labels, _exact(pred_probs), n_jobs=1)
    return flagged


def quality(labels: Labels, pred_probs: Probs) -> NDArray[np.float64]:
    """The probability of the label as given, (N,), in [0, 1]: lower is worse (cleanlab's self-confidence)."""
    _check_available()
    scores: NDArray[np.float64] = get_label_quality_scores(labels, _exact(pred_probs), method="self_confidence")
    return scores


def wrong_share(labels: Labels, pred_probs: Probs) -> float:
    """The share of all labels that are wrong by the estimated joint of given and true labels, in [0, 1]."""
    return float(1.0 - np.trace(joint(labels, pred_probs)))


def joint(labels: Labels, pred_probs: Probs) -> NDArray[np.float64]:
    """The estimated joint of given labels, down, and true ones, across, (K, K): shares of all rows that sum to 1."""
    _check_available()
    shares: NDArray[np.float64] = estimate_joint(labels, _exact(pred_probs))
    return shares


def expected_right(labels: Labels, pred_probs: Probs, flagged: NDArray[np.bool_]) -> float | None:
    """The share of flagged labels that are right all the same, by the predictions' own account; None of no labels.

    The mean probability of the given label, after one temperature fitted on all labels: of being given, that is, which
    nets that are trained on wrong labels learn. docs/label_noise.md holds it against known flips.
    """
    if not flagged.any():
        return None
    calibrated = tempered(pred_probs, fit_temperature(pred_probs, labels))
    return float(calibrated[flagged, labels[flagged]].mean())


def _exact(pred_probs: Probs) -> NDArray[np.float64]:
    """In double precision, rows summing to 1."""
    probs = np.asarray(pred_probs, dtype=np.float64)
    exact: NDArray[np.float64] = probs / probs.sum(1, keepdims=True)
    return exact


def _check_available() -> None:
    if not available():
        raise InputError(MISSING)
