"""Kinds of label noise: each takes true labels (N,), images as rows (N, D) and a share, and returns labels as given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from trainables.data.digits import flip_labels

Labels = NDArray[np.int64]


def uniform(labels: Labels, images: NDArray[np.floating], share: float, rng: np.random.Generator) -> Labels:
    """Any other class."""
    return flip_labels(labels, share, int(labels.max()) + 1, rng)


def class_dependent(labels: Labels, images: NDArray[np.floating], share: float, rng: np.random.Generator) -> Labels:
    """Every class is taken for one other class, the one that a linear model takes it for most often."""
    probs = _linear_probs(labels, images)
    likeness = np.stack([probs[labels == k].mean(0) for k in range(probs.shape[1])])
    np.fill_diagonal(likeness, -1)
    flipped = rng.choice(len(labels), size=round(share * len(labels)), replace=False)
    given = labels.copy()
    given[flipped] = likeness.argmax(1)[labels[flipped]]
    return given


def ambiguous(labels: Labels, images: NDArray[np.floating], share: float, rng: np.random.Generator) -> Labels:
    """The images that a linear model is least sure of become what it takes them for next."""
    probs = _linear_probs(labels, images)
    rows = np.arange(len(labels))
    own = probs[rows, labels]
    probs[rows, labels] = -1
    flipped = np.argsort(own - probs.max(1))[: round(share * len(labels))]
    given = labels.copy()
    given[flipped] = probs[flipped].argmax(1)
    return given


def _linear_probs(labels: Labels, images: NDArray[np.floating]) -> NDArray[np.float64]:
    """Out-of-fold probabilities (N, K) of a linear model that saw true labels."""
    model = LogisticRegression(max_iter=2000, C=0.1)
    probs: NDArray[np.float64] = cross_val_predict(model, images, labels, cv=5, method="predict_proba")
    return probs


NOISES: dict[str, Callable[..., Labels]] = {
    "uniform": uniform,
    "class-dependent": class_dependent,
    "ambiguous": ambiguous,
}
