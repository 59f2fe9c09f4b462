"""What the stackers share (Wolpert, "Stacked generalization", 1992): a small classifier of the members' answers.

They see log-probabilities, each member's row less its own mean, which is what the members' logits were up to a
constant: a weighted sum of those is a product of experts, so that a linear stacker can say what a blend says. All fit
the likelihood of the labels as given, whatever the metric is, and all are held towards zero.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from analysis.ensemble.method import Blend, Labels, Probs, equal

_FLOOR = 1e-3
"""Where a log-probability ends: one that is sure and wrong is no more than that."""


def log_probs(pred_probs: Probs) -> NDArray[np.float64]:
    """(M, n, K) probabilities to (n, M, K) centred log-probabilities."""
    logs = np.log(np.maximum(np.asarray(pred_probs, dtype=np.float64), _FLOOR)).transpose(1, 0, 2)
    centred: NDArray[np.float64] = logs - logs.mean(2, keepdims=True)
    return centred


def fit_classifier(classifier: Any, pred_probs: Probs, labels: Labels) -> Blend:
    """A blend by a scikit-learn classifier of the flattened log-probabilities (n, M * K).

    Classes that no label names have probability 0; where all labels are one class there is nothing to learn, and the
    blend is the mean.
    """
    n_classes = pred_probs.shape[2]
    if len(np.unique(labels)) < 2:
        return equal(len(pred_probs))
    with threadpool_limits(1), warnings.catch_warnings():  # of arrays so small, two threads are slower than one
        warnings.simplefilter("ignore", ConvergenceWarning)  # the bound on the steps holds the fit back, as is meant
        classifier.fit(_flat(pred_probs), labels)

    def stacked(pred_probs: Probs) -> NDArray[np.float64]:
        probs = np.zeros((pred_probs.shape[1], n_classes))
        with threadpool_limits(1):
            probs[:, classifier.classes_] = classifier.predict_proba(_flat(pred_probs))
        return probs

    return stacked


def _flat(pred_probs: Probs) -> NDArray[np.float64]:
    logs = log_probs(pred_probs)
    return logs.reshape(len(logs), -1)
