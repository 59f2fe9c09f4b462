"""Which method an ensemble takes: the mean, unless another is ahead of it by more than the noise."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from analysis.ensemble.members import Members
from analysis.ensemble.method import Labels, Method
from analysis.ensemble.methods import MEAN, METHODS
from analysis.ensemble.nested import nested, without_two
from trainables.bar import bar
from trainables.comparison import TIED_WITHIN, Difference, paired
from trainables.scores import accuracy, accuracy_se, by_image, goods_by_image, hits

_WRONGLY = 0.025
"""How often the best of all methods may be taken where none is better than the mean."""

_FOLDS_TO_CHOOSE = 3


@dataclass(frozen=True, eq=False)
class Choice:
    """Every method's nested score, the one that is taken, and what the taking itself is worth."""

    method: str
    because: str
    by_fold: list[str]
    """What would have been taken without each fold."""
    probs: NDArray[np.float64]
    """(N, K): the chosen method's, fitted without each row's fold."""
    honest_probs: NDArray[np.float64]
    """(N, K): fitted *and chosen* without each row's fold. What is printed is of these."""
    candidates: list[dict[str, Any]]
    """A row a method: its nested score in the metric, accuracy, and how far each is ahead of the mean's, paired."""
    seconds: dict[str, float]


def ahead_by(methods: int) -> float:
    """Standard errors by which the best of so many methods must be ahead of the mean in the metric.

    Bonferroni: 1.96 for one rival, 2.73 for eight. The rivals are alike, so this asks for too much, never too little.
    """
    return float(norm.isf(_WRONGLY / max(1, methods - 1)))


def best_method(
    goods: Mapping[str, NDArray[np.floating]], right: Mapping[str, NDArray[np.floating]]
) -> tuple[str, str]:
    """The method to take and why, from each one's goods (N,), higher is better, and hits (N,); the mean is among them.

    The most accurate of those that are ahead of the mean both in the metric, by `ahead_by` standard errors, and in
    accuracy, by the usual 1.96. A lead in a loss alone may be a matter of how sure the answers are, with every answer
    the same: a vote of two members is ahead of their mean so, where labels are noisy. Accuracy's bound is not
    corrected for many methods: the metric's is, and nobody is taken who is not beyond both.
    """
    rivals = [name for name in goods if name != MEAN]
    if not rivals:
        return MEAN, "there is no other method"
    leads = {name: (paired(right[name], right[MEAN]), paired(goods[name], goods[MEAN])) for name in rivals}
    needed = ahead_by(len(goods))
    clear = [name for name in rivals if _clear(leads[name][0], TIED_WITHIN) and _clear(leads[name][1], needed)]
    best = max(clear or rivals, key=lambda name: leads[name][0].behind)
    accuracy_lead, lead = leads[best]
    told = (
        f"{best} is ahead of the mean by {accuracy_lead.behind:.4f} ± {accuracy_lead.se:.4f} in accuracy "
        f"and by {lead.behind:.4f} ± {lead.se:.4f} in the metric"
    )
    bounds = f"{TIED_WITHIN:.2f} and {needed:.2f} standard errors"
    if clear:
        return best, f"{told}, more than {bounds}"
    return MEAN, f"no method is ahead by {bounds} in accuracy and in the metric; the most accurate, {told}"


def _clear(lead: Difference, needed: float) -> bool:
    return lead.behind > needed * lead.se


def compare_methods(
    members: Members, metric: str, seed: int, quiet: bool = True, methods: Mapping[str, Method] = METHODS
) -> Choice:
    """Score every method by nested cross-validation, and choose; the choice is nested too.

    Standard errors are over images; folds share most of the rows that their blends are fitted on, which they leave out.
    """
    if len(members) == 1:
        return _only_the_mean(members, metric, "there is one member")
    if len(members.folds) < _FOLDS_TO_CHOOSE:
        return _only_the_mean(members, metric, "two folds leave no third to choose a method by")
    outer, inner, seconds = _predictions(members, metric, seed, quiet, methods)
    method, because = _best(outer, members.labels, metric)
    by_fold = [_chosen_without(members, metric, inner, place) for place in range(len(members.folds))]
    honest = np.empty_like(outer[MEAN])
    for fold, name in zip(members.folds, by_fold, strict=True):
        honest[members.fold_of == fold] = outer[name][members.fold_of == fold]
    return Choice(method, because, by_fold, outer[method], honest, _rows(members, metric, outer), seconds)


def _only_the_mean(members: Members, metric: str, because: str) -> Choice:
    probs = METHODS[MEAN](members.pred_probs, members.labels, metric, 0)(members.pred_probs)
    rows = _rows(members, metric, {MEAN: probs})
    return Choice(MEAN, because, [MEAN] * len(members.folds), probs, probs, rows, {MEAN: 0.0})


def _predictions(
    members: Members, metric: str, seed: int, quiet: bool, methods: Mapping[str, Method]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]], dict[str, float]]:
    """`nested` and `without_two` of every method, and the seconds that they took."""
    outer, inner, seconds = {}, {}, {}
    count = len(members.folds)
    done, total = 0, len(methods) * (count + count * (count - 1) // 2)
    with bar("ensemble, fits", quiet) as update:

        def fitted() -> None:
            nonlocal done
            done += 1
            update(done, total)

        for name, method in methods.items():
            started = time.monotonic()
            outer[name] = nested(method, members, metric, seed, fitted)
            inner[name] = without_two(method, members, metric, seed, fitted)
            seconds[name] = time.monotonic() - started
    return outer, inner, seconds


def _chosen_without(members: Members, metric: str, inner: Mapping[str, NDArray[np.float64]], place: int) -> str:
    rows = members.fold_of != members.folds[place]
    return _best({name: probs[place][rows] for name, probs in inner.items()}, members.labels[rows], metric)[0]


def _best(probs: Mapping[str, NDArray[np.float64]], labels: Labels, metric: str) -> tuple[str, str]:
    goods = {name: goods_by_image(metric, each, labels) for name, each in probs.items()}
    return best_method(goods, {name: hits(each, labels) for name, each in probs.items()})


def _rows(members: Members, metric: str, outer: Mapping[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    labels = members.labels
    mean_goods, mean_hits = goods_by_image(metric, outer[MEAN], labels), hits(outer[MEAN], labels)
    rows = []
    for name, probs in outer.items():
        share = accuracy(probs, labels)
        lead, more_right = (
            paired(goods_by_image(metric, probs, labels), mean_goods),
            paired(hits(probs, labels), mean_hits),
        )
        rows.append(
            {
                "method": name,
                "score": float(by_image(metric, probs, labels).mean()),
                "accuracy": share,
                "accuracy_se": accuracy_se(share, len(labels)),
                "ahead_of_mean": lead.behind,
                "se": lead.se,
                "accuracy_ahead_of_mean": more_right.behind,
                "accuracy_ahead_se": more_right.se,
            }
        )
    return rows
