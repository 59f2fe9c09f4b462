"""The mean of test-time views, of probabilities or of their logarithms. No torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainables.files import load_array, load_object
from trainables.layout import SearchFolder
from trainables.scores import LEAST
from trainables.trial import load_recipe

MEANS = ("probabilities", "logarithms")
"""The default first. The mean of logarithms, made to sum to 1 again, is the geometric one: a class that one view rules
out stays unlikely, though not ruled out (`scores.LEAST`)."""


def nested_means(probs: NDArray[np.float32], mean: str = MEANS[0]) -> NDArray[np.float32]:
    """(views, N, K) to (views, N, K) whose entry c - 1 is the mean of the first c views; rows sum to 1."""
    counts = np.arange(1, len(probs) + 1, dtype=np.float32)[:, None, None]
    if mean == MEANS[0]:
        means: NDArray[np.float32] = np.cumsum(probs, axis=0) / counts
        return means
    raised = np.exp(np.cumsum(np.log(np.maximum(probs, LEAST)), axis=0) / counts)
    geometric: NDArray[np.float32] = raised / raised.sum(-1, keepdims=True)
    return geometric


def fold_answer(search: SearchFolder, number: int, fold: int, mean: str) -> NDArray[np.float32]:
    """What a trial says of the rows that a fold validates, (n, K): the mean of as many views as its recipe has."""
    trial = search.trial(number)
    means = nested_means(load_array(trial.fold(fold).view_probs)[: load_recipe(trial).tta_count], mean)
    answer: NDArray[np.float32] = means[-1]
    return answer


def mean_of_search(search: SearchFolder) -> str:
    """Which mean the answer of a search takes, as `analysis.ensemble.views` decided."""
    return str(load_object(search.view_mean, "mean")["mean"]) if search.view_mean.exists() else MEANS[0]
