"""What a search will come to, before it begins: intervals that hold what nineteen in twenty simulated searches came to.

What the searches do not know beforehand, and so draw, is said in `course`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cluster.course import MOST_TRIALS, Work, course

_MOST_SEARCHES, _FEWEST_SEARCHES, _TRIALS = 300, 20, 20_000
"""Simulated: so many searches, fewer where they have many trials, within two seconds or so."""

_INTERVAL = (2.5, 97.5)
"""Percentiles."""


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

    trials: Interval
    stopped: tuple[Interval, ...]
    """Of each rung, the share of the trials that arrive there."""
    arrived: tuple[Interval, ...]
    search_epochs: Interval
    promotion_epochs: Interval
    busy_s: Interval
    wall_s: Interval


@cache
def forecast(work: Work, seed: int = 0) -> Forecast | None:
    """The same numbers for the same work and seed, simulated once in a process.

    None where a budget has room for `MOST_TRIALS` trials and more.
    """
    rng = np.random.default_rng(seed)
    first = course(work, rng)
    if work.endless and first.trials >= MOST_TRIALS:
        return None
    count = max(_FEWEST_SEARCHES, min(_MOST_SEARCHES, _TRIALS // first.trials))
    courses = [first, *(course(work, rng) for _ in range(count - 1))]
    arrived = np.array([each.arrived for each in courses]).reshape(count, -1)
    stopped = np.array([each.stopped for each in courses]).reshape(count, -1)
    shares = stopped / np.maximum(arrived, 1)
    return Forecast(
        _interval([each.trials for each in courses]),
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
