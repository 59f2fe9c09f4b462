"""How alike members are: an ensemble gains by members that are good and err apart (Krogh and Vedelsby, 1995)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.ensemble.method import Labels, Probs


def error_correlation(pred_probs: Probs, labels: Labels) -> NDArray[np.float64]:
    """(M, M) in [-1, 1]: Pearson correlation over rows of the probabilities that members give the label.

    `pred_probs` (M, N, K), `labels` (N,) as given: a wrong label is an error of every member, and makes them look
    alike. A member that gives every label the same probability has correlation 0 with all others.
    """
    given = np.asarray(pred_probs, dtype=np.float64)[:, np.arange(len(labels)), labels]
    apart = given - given.mean(1, keepdims=True)
    size = np.sqrt((apart**2).sum(1))
    unit = apart / np.where(size > 0, size, 1.0)[:, None]
    correlation: NDArray[np.float64] = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def disagreement(pred_probs: Probs) -> NDArray[np.float64]:
    """(M, M) in [0, 1]: the share of rows for which two members name different classes."""
    named = pred_probs.argmax(2)
    apart: NDArray[np.float64] = (named[:, None] != named[None]).mean(2)
    return apart
