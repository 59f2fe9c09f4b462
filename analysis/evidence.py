"""How sure a number is, and when it is too little to say anything: the one rule of notebooks and ledger.

Nothing is said of an effect unless its interval excludes zero, and of a handful of trials nothing at all. Where several
effects are looked at together, each interval is wide enough that all of them hold with 95 % (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from trainables.comparison import Difference

LEVEL = 0.95

FEWEST_TRIALS = 12
"""With fewer, importance and dependence on parameters are not even fitted."""

FEWEST_PAIRS = 5
"""With fewer, a correlation is a number without meaning: its 95 % interval would reach from about -0.9 to 0.9."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def enough(self) -> bool:
        """Whether it excludes zero."""
        return self.low > 0 or self.high < 0

    @property
    def row(self) -> dict[str, float | bool]:
        """Its ends and whether it is enough, as columns of a table."""
        return {"low": self.low, "high": self.high, "enough": self.enough}

    def __str__(self) -> str:
        return f"{self.value:+.3f} (95 % {self.low:+.3f} to {self.high:+.3f})"


def of_mean(values: ArrayLike, effects: int = 1) -> Interval:
    """Of the mean of two values or more, by Student's t; `effects` are looked at together."""
    each = np.asarray(values, dtype=np.float64)
    half = stats.t.isf(_tail(effects), len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each))
    return Interval(float(each.mean()), float(each.mean() - half), float(each.mean() + half))


def of_difference(ahead: Difference, effects: int = 1) -> Interval:
    """Of a paired difference on many images; the sign is that of `behind`."""
    half = float(stats.norm.isf(_tail(effects))) * ahead.se
    return Interval(ahead.behind, ahead.behind - half, ahead.behind + half)


def of_share(hits: int, count: int) -> Interval:
    """Of a share, in [0, 1], by Wilson's score interval, which holds for small counts too."""
    ends = stats.binomtest(hits, count).proportion_ci(LEVEL, "wilson")
    return Interval(hits / count, float(ends.low), float(ends.high))


def rank_correlation(one: ArrayLike, other: ArrayLike) -> Interval | None:
    """Spearman's, of n pairs (n,); None of fewer than five, or where all of one side are equal.

    The interval is Bonett and Wright's (Psychometrika 65, 2000): Fisher's z with variance (1 + r^2 / 2) / (n - 3).
    """
    left, right = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if len(left) < FEWEST_PAIRS or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    rank = float(stats.spearmanr(left, right).statistic)
    rank = min(max(rank, -1 + 1e-9), 1 - 1e-9)
    half = float(stats.norm.isf(_tail(1))) * math.sqrt((1 + rank**2 / 2) / (len(left) - 3))
    return Interval(rank, math.tanh(math.atanh(rank) - half), math.tanh(math.atanh(rank) + half))


def too_few(count: int, what: str = "trials", fewest: int = FEWEST_TRIALS) -> str:
    """The sentence for it."""
    return f"Too little evidence: {count} {what}, and nothing is said of fewer than {fewest}."


def listed(names: Sequence[str]) -> str:
    """'t1', 't1 and t2', 't1, t2 and smoothing'."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _tail(effects: int) -> float:
    return (1 - LEVEL) / 2 / max(1, effects)
