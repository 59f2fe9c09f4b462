"""Which labels look wrong: confident learning on predictions by nets that did not see the rows.

Northcutt, Jiang, Chuang: Confident Learning, arXiv 1911.00068, by the library cleanlab, which only this file imports.
`pred_probs` (N, K) are out of sample, rows sum to 1; `labels` (N,) are as given.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainables.scores import Labels, Probs, fit_temperature, tempered

MISSING = "suspicious labels need the library cleanlab; `pip install cleanlab`"


def available() -> bool:
    """Whether the library is there: who leaves it out can do without suspicious labels."""
    return find_spec("cleanlab") is not None


def suspicious(labels: Labels, pred_probs: Probs) -> NDArray[np.bool_]:
    """Which labels look wrong, (N,): of each pair of classes as many as the confident joint counts, worst first.

    Suspicions, not findings. At least one row of every class is left in peace. `InputError` without cleanlab.
    """
    flagged: NDArray[np.bool_] = _cleanlab().filter.find_label_issues(labels, _exact(pred_probs), n_jobs=1)
    return flagged


def quality(labels: Labels, pred_probs: Probs) -> NDArray[np.float64]:
    """The probability of the label as given, (N,), in [0, 1]: lower is worse (cleanlab's self-confidence)."""
    scores = _cleanlab().rank.get_label_quality_scores(labels, _exact(pred_probs), method="self_confidence")
    return np.asarray(scores, dtype=np.float64)


def wrong_share(labels: Labels, pred_probs: Probs) -> float:
    """The share of all labels that are wrong by the estimated joint of given and true labels, in [0, 1]."""
    return float(1.0 - np.trace(joint(labels, pred_probs)))


def joint(labels: Labels, pred_probs: Probs) -> NDArray[np.float64]:
    """The estimated joint of given labels, down, and true ones, across, (K, K): shares of all rows that sum to 1."""
    shares: NDArray[np.float64] = _cleanlab().count.estimate_joint(labels, _exact(pred_probs))
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


def _cleanlab() -> Any:
    """The library. It is slow to import, and most processes judge no labels."""
    if not available():
        raise InputError(MISSING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm misses widgets in a notebook: no bar is shown
        import cleanlab.count
        import cleanlab.filter
        import cleanlab.rank
    return cleanlab
