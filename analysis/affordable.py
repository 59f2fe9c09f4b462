"""What a time limit affords: which members answer with how many views, by what that costs and what it brings.

Costs are measured, gains are out-of-fold. Numbers in, decisions out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from analysis.ensemble import Blend, blend_among
from trainables.durations import duration
from trainables.scores import accuracy, goodness, score

_MOST_TRIED = 100
"""Subsets; one takes a fifth of a second on the 21,397 images of cassava."""


@dataclass(frozen=True)
class Costs:
    """Seconds, measured on the machine that answers."""

    image_s: float
    """One image, read and made square."""
    view_s: tuple[float, ...]
    """One view of it by one net, by member."""

    def of(self, views: Sequence[int], nets: int) -> float:
        """One image, by so many views of each member's so many nets."""
        return self.image_s + nets * sum(count * seconds for count, seconds in zip(views, self.view_s, strict=True))


@dataclass(frozen=True)
class Option:
    """A way to answer."""

    views: tuple[int, ...]
    """By member; 0 leaves it out."""
    nets: int
    """Fold nets of each member."""
    image_s: float
    score: float
    """The metric, out of fold. NaN where folds are left out: every out-of-fold prediction is one net's anyway."""
    accuracy: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What members said out of fold, view by view."""

    means: Sequence[NDArray[np.floating]]
    """By member (views, N, K), the entry c - 1 the mean of its first c views."""
    weights: Sequence[float]
    """Of those that look, among each other, where some do not."""
    blend: Blend
    """Of all members, (M, N, K) to (N, K), fitted without a row's fold."""
    labels: NDArray[np.integer]
    metric: str

    def probs(self, views: Sequence[int]) -> NDArray[np.float64]:
        """(N, K) of the members that look at so many views."""
        if all(views):
            return self.blend(np.array([means[count - 1] for means, count in zip(self.means, views, strict=True)]))
        looking = [member for member, count in enumerate(views) if count]
        means = [self.means[member][views[member] - 1] for member in looking]
        return blend_among(means, [self.weights[member] for member in looking])


def options(evidence: Evidence, nets: int, costs: Costs) -> list[Option]:
    """Ways to answer, cheapest first, each with a better out-of-fold score than all cheaper ones.

    All are tried where they are few. Else, from all views of all members, a view or a whole member is given up again
    and again, the one that loses the least for the time it saves. Fold nets are given up only when one view of one
    member is left, since nothing out of fold tells what they bring; those options come first and their score is NaN.
    """

    def at(views: tuple[int, ...]) -> Option:
        probs = evidence.probs(views)
        value = score(evidence.metric, probs, evidence.labels)
        return Option(views, nets, costs.of(views, nets), value, accuracy(probs, evidence.labels))

    def good(option: Option) -> float:
        return goodness(evidence.metric, option.score)

    most = tuple(len(means) for means in evidence.means)
    few_enough = math.prod(count + 1 for count in most) <= _MOST_TRIED
    found = list(map(at, _every(most)) if few_enough else _fewer_and_fewer(at(most), at, good))
    found.sort(key=lambda option: (option.image_s, -good(option)))
    better: list[Option] = []
    for option in found:
        if not better or good(option) > good(better[-1]):
            better.append(option)
    last = better[0].views
    few = [Option(last, count, costs.of(last, count), math.nan, math.nan) for count in range(1, nets)]
    return few + better


def _every(most: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return (views for views in product(*(range(count + 1) for count in most)) if any(views))


def _fewer_and_fewer(
    option: Option, at: Callable[[tuple[int, ...]], Option], good: Callable[[Option], float]
) -> Iterator[Option]:
    yield option
    while sum(option.views) > 1:
        before, fewer = option, [at(views) for views in _with_less(option.views)]
        gains = [each for each in fewer if good(each) > good(before)]
        if gains:
            option = max(gains, key=good)
        else:
            option = min(fewer, key=lambda each: (good(before) - good(each)) / (before.image_s - each.image_s))
        yield option


def _with_less(views: tuple[int, ...]) -> list[tuple[int, ...]]:
    """One view less of a member, or the member left out, for each that looks."""
    fewer = {
        tuple(left if at == member else count for at, count in enumerate(views))
        for member, now in enumerate(views)
        for left in {max(0, now - 1), 0} - {now}
    }
    return sorted(each for each in fewer if any(each))


def best_within(ways: Sequence[Option], image_s: float) -> Option | None:
    """The best of `options` that takes no longer for an image; None where none does."""
    affordable = [option for option in ways if option.image_s <= image_s]
    return affordable[-1] if affordable else None


def described(
    ways: Sequence[Option], costs: Costs, metric: str, names: Sequence[str], images: int, chosen: Option | None
) -> list[str]:
    """What members cost, and what each way takes for so many images and brings; `chosen` is marked."""
    nets = ways[-1].nets
    each = [f"{name} {1000 * nets * seconds:.1f} ms" for name, seconds in zip(names, costs.view_s, strict=True)]
    lines = [
        f"an image    {1000 * costs.image_s:.1f} ms to read; a view by all {nets} nets of a trial: {', '.join(each)}",
        f"ways        to answer {images} images, of which a cheaper one beats none out of fold",
        f"{'takes':>12}  {metric:>16}  accuracy  views by trial",
    ]
    for way in ways:
        few = math.isnan(way.score)
        scored = f"{'':>16}  {'':>8}" if few else f"{way.score:16.4f}  {way.accuracy:8.4f}"
        whose = views_by_trial(names, way.views) + (f" ({way.nets} of {nets} nets)" if few else "")
        lines.append(f"{'*' if way == chosen else '':2}{duration(images * way.image_s):>10}  {scored}  {whose}")
    return lines


def views_by_trial(names: Sequence[str], views: Sequence[int]) -> str:
    """'007 x 3, 012 x 1'."""
    return ", ".join(f"{name} x {count}" for name, count in zip(names, views, strict=True) if count)
