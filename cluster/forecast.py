"""What a search will come to, before it begins: searches played through by ASHA's own rule, without training a net.

How well a rung tells who will be best is not known beforehand, nor how far the recipes that come first, from
experience, are ahead. So each simulated search draws both anew, from "nothing" to "everything", and intervals hold what
nineteen in twenty of them came to. Nor does a machine keep its pace: each draws its own.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from cluster.asha import goes_on
from cluster.budget import makespan
from cluster.promotion import Promotion, Standing, ranked
from trainables.member import pairs_of

_MOST_SEARCHES, _MOST_TRIALS = 300, 100_000
"""Simulated: so many searches, fewer where they have many trials, within a second or so."""

_MOST_LEAD_SD = 2.0
"""By how much recipes from experience are ahead of random ones at most, in standard deviations of those."""

_INTERVAL = (2.5, 97.5)
"""Percentiles."""


@dataclass(frozen=True)
class Work:
    """What a search has to do."""

    epochs: int
    rungs: tuple[int, ...]
    promotion: Promotion
    backbones: tuple[str, ...]
    """Of each trial."""
    slots: int
    epoch_s: tuple[float, ...]
    """Of each trial, on one slot; there are as many trials as this is long. Where nothing is known, ratios count."""
    prediction_s: tuple[float, ...]
    """Of each trial: one net's test predictions."""
    start_s: float = 0.0
    """Of the first worker, at the beginning of the search and of promotion."""
    turnover_s: float = 0.0
    """From one training, or prediction, to the next on a slot."""
    pace_sd: float = 0.0
    """Of the logarithm of a machine's pace about what was measured."""
    known_good: int = 0
    """So many trials come first because they are expected to be good."""
    folds_at_once: int = 0
    """Where fewer folds of promotion than slots are trained side by side; 0 where there are as many."""


@dataclass(frozen=True)
class Course:
    """What one simulated search came to."""

    arrived: tuple[int, ...]
    """Trials at each rung."""
    stopped: tuple[int, ...]
    """Of those."""
    search_epochs: int
    promotion_epochs: int
    busy_s: float
    """Of all slots together."""
    wall_s: float


@dataclass(frozen=True)
class Interval:
    """Where nineteen in twenty of the simulated searches ended."""

    low: float
    middle: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def times(self, factor: float) -> Interval:
        """In another unit."""
        return Interval(self.low * factor, self.middle * factor, self.high * factor)

    def words(self, of: Callable[[float], str] = "{:.0f}".format) -> str:
        """'85-112', or '144' where all agree."""
        low, high = of(self.low), of(self.high)
        return low if low == high else f"{low}-{high}"


@dataclass(frozen=True)
class Forecast:
    """Intervals over many simulated searches."""

    stopped: tuple[Interval, ...]
    """Of each rung, the share of the trials that arrive there."""
    arrived: tuple[Interval, ...]
    search_epochs: Interval
    promotion_epochs: Interval
    busy_s: Interval
    wall_s: Interval


def forecast(work: Work, seed: int = 0) -> Forecast:
    """The same numbers for the same work and seed."""
    rng = np.random.default_rng(seed)
    count = max(20, min(_MOST_SEARCHES, _MOST_TRIALS // len(work.epoch_s)))
    courses = [course(work, rng) for _ in range(count)]
    arrived = np.array([each.arrived for each in courses]).reshape(count, -1)
    stopped = np.array([each.stopped for each in courses]).reshape(count, -1)
    shares = stopped / np.maximum(arrived, 1)
    return Forecast(
        tuple(_interval(shares[arrived[:, rung] > 0, rung]) for rung in range(len(work.rungs))),
        tuple(_interval(arrived[:, rung]) for rung in range(len(work.rungs))),
        _interval([each.search_epochs for each in courses]),
        _interval([each.promotion_epochs for each in courses]),
        _interval([each.busy_s for each in courses]),
        _interval([each.wall_s for each in courses]),
    )


def _interval(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    if not len(values):
        return Interval(0.0, 0.0, 0.0)
    low, middle, high = np.percentile(np.asarray(values, float), [_INTERVAL[0], 50, _INTERVAL[1]])
    return Interval(float(low), float(middle), float(high))


def course(work: Work, rng: np.random.Generator) -> Course:
    """One search: trials in order, a slot each as slots get free, judged at every rung as they arrive there."""
    trials = len(work.epoch_s)
    tells = float(rng.random())  # the correlation of a rung's values with what a trial is worth
    worth = rng.standard_normal(trials)
    worth[: work.known_good] += _MOST_LEAD_SD * rng.random()
    noise = rng.standard_normal((trials, len(work.rungs) + 1))
    goods = np.sqrt(tells) * worth[:, None] + np.sqrt(1 - tells) * noise
    left_at, search_s = _search(work, goods.tolist())
    standings = [
        Standing(number, epoch, goods[number, _judged_at(work, epoch)]) for number, epoch in enumerate(left_at)
    ]
    members = work.promotion.members(ranked(standings), dict(enumerate(work.backbones)))
    pairs = pairs_of(members, range(work.promotion.folds))
    lacking = [work.epochs - (left_at[number] if fold == 0 else 0) for number, fold in pairs]
    fold_s = [work.epoch_s[number] * epochs for (number, _), epochs in zip(pairs, lacking, strict=True) if epochs]
    predicting_s = sum(work.prediction_s[number] for number, _ in pairs)
    arrived = tuple(sum(epoch >= rung for epoch in left_at) for rung in work.rungs)
    searching_s = sum(epoch * seconds for epoch, seconds in zip(left_at, work.epoch_s, strict=True))
    busy_s = searching_s + sum(fold_s) + predicting_s
    shared_s = predicting_s / work.slots + work.turnover_s
    folds_s = makespan([seconds + work.turnover_s for seconds in fold_s], work.folds_at_once or work.slots)
    wall_s = 2 * work.start_s + search_s + folds_s + shared_s
    pace = float(np.exp(work.pace_sd * rng.standard_normal()))
    return Course(
        arrived,
        tuple(sum(epoch == rung for epoch in left_at) for rung in work.rungs),
        sum(left_at),
        sum(lacking),
        pace * busy_s,
        pace * wall_s,
    )


def _judged_at(work: Work, epoch: int) -> int:
    """Which column of the values is a trial's last one."""
    return work.rungs.index(epoch) if epoch in work.rungs else len(work.rungs)


def _search(work: Work, goods: list[list[float]]) -> tuple[list[int], float]:
    """Where each trial ends, and when the last one does."""
    stages = (0, *work.rungs, work.epochs)
    recorded: list[list[float]] = [[] for _ in work.rungs]
    left_at = [work.epochs] * len(work.epoch_s)
    waiting = iter(range(len(work.epoch_s)))
    events: list[tuple[float, int, int]] = []
    now = 0.0

    def begin(number: int, stage: int) -> None:
        turnover_s = work.turnover_s if stage == 0 else 0.0
        seconds = (stages[stage + 1] - stages[stage]) * work.epoch_s[number] + turnover_s
        heapq.heappush(events, (now + seconds, number, stage))

    for number in islice(waiting, work.slots):
        begin(number, 0)
    while events:
        now, number, stage = heapq.heappop(events)
        passes = stage < len(work.rungs) and goes_on(goods[number][stage], recorded[stage])
        if stage < len(work.rungs):
            insort(recorded[stage], goods[number][stage])
        if passes:
            begin(number, stage + 1)
            continue
        left_at[number] = stages[stage + 1]
        for following in islice(waiting, 1):
            begin(following, 0)
    return left_at, now
