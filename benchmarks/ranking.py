"""Candidates for the number that ranks trials, and how well a number ranked: pure functions of arrays."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import spearmanr

from benchmarks.noise import Labels
from cluster.asha import goes_on
from search_spaces import Recipe
from trainables import scores

Values = NDArray[np.floating]
"""(recipes, epochs), lower is better."""

ORDERS = 1000
RESAMPLES = 500


def softmax_probs(probs: NDArray[np.floating], recipe: Recipe) -> NDArray[np.float64]:
    """What plain softmax would have made of the logits: the link's inverse log_t2, exponentiated."""
    logs = np.log(np.maximum(np.asarray(probs, dtype=np.float64), 1e-12))
    q = 1.0 - recipe.t2
    logits = logs if q == 0 else np.expm1(q * logs) / q
    result: NDArray[np.float64] = softmax(logits, axis=1)
    return result


RAW = "the training loss itself"
CONTROL = "t1 alone, nothing measured"
"""The training loss is the smaller, the smaller t1 is; what it ranks by that, the bare t1 ranks as well."""
LOSS, ERROR = "NLL, link, temperature (val_loss)", "error rate (val_accuracy)"

CANDIDATES: dict[str, Callable[[NDArray[np.floating], Labels, Recipe], float]] = {
    "NLL, softmax": lambda p, y, r: scores.log_loss(softmax_probs(p, r), y),
    "NLL, softmax, temperature": lambda p, y, r: scores.score("val_loss", softmax_probs(p, r), y),
    "NLL, link (val_nll)": lambda p, y, r: scores.log_loss(p, y),
    LOSS: lambda p, y, r: scores.score("val_loss", p, y),
    "the same, fitted in sample": lambda p, y, r: scores.log_loss(scores.tempered(p, scores.fit_temperature(p, y)), y),
    "the same, bounded (val_robust_loss)": lambda p, y, r: scores.score("val_robust_loss", p, y),
    ERROR: lambda p, y, r: 1.0 - scores.accuracy(p, y),
}
"""Each takes probabilities (N, K) of one epoch, labels (N,) and the recipe; lower is better."""


def with_means(numbers: Mapping[str, Values]) -> dict[str, Values]:
    """The candidates, and two of them as a mean of an epoch and the one before it."""
    return {**numbers, **{f"{name}, mean of two epochs": _two_epochs(numbers[name]) for name in (LOSS, ERROR)}}


def _two_epochs(values: Values) -> Values:
    before = np.concatenate([values[:, :1], values[:, :-1]], axis=1)
    means: Values = (values + before) / 2
    return means


def rho(values: NDArray[np.floating], ends: NDArray[np.floating]) -> tuple[float, float, float]:
    """Spearman's rho of lower-is-better numbers with the ends, and its 90 % bootstrap interval over recipes."""
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(ends), size=(RESAMPLES, len(ends)))
    resampled = [_spearman(values[pick], ends[pick]) for pick in picks if len(set(ends[pick])) > 1]
    low, high = np.quantile(resampled, [0.05, 0.95])
    return _spearman(values, ends), float(low), float(high)


def _spearman(values: NDArray[np.floating], ends: NDArray[np.floating]) -> float:
    return float(spearmanr(-values, ends).statistic) if len(set(values)) > 1 and len(set(ends)) > 1 else 0.0


def regrets(
    at_rungs: Values, at_the_end: Mapping[str, Values], ends: NDArray[np.floating], rungs: Sequence[int]
) -> dict[str, float]:
    """ASHA driven by one number, its pick made by each of several: mean accuracy lacked to the best recipe's.

    A mean over random orders of arrival, the same ones for every number.
    """
    rng = np.random.default_rng(0)
    lost: dict[str, list[float]] = {name: [] for name in at_the_end}
    for _ in range(ORDERS):
        finished = asha_finishers(at_rungs, rungs, rng.permutation(len(ends)))
        for name, values in at_the_end.items():
            lost[name].append(float(ends.max() - ends[finished[int(values[finished, -1].argmin())]]))
    return {name: float(np.mean(each)) for name, each in lost.items()}


def asha_finishers(values: Values, rungs: Sequence[int], order: NDArray[np.int64]) -> list[int]:
    """The recipes that no rung stops, in the order of arrival."""
    recorded: dict[int, list[float]] = {rung: [] for rung in rungs}
    finished: list[int] = []
    for number in order:
        for rung in rungs:
            good = -float(values[number, rung - 1])
            passes = goes_on(good, recorded[rung])
            insort(recorded[rung], good)
            if not passes:
                break
        else:
            finished.append(int(number))
    return finished


def mean_and_se(values: Sequence[float]) -> tuple[float, float]:
    """Over cases; the error is not a number for one case."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
