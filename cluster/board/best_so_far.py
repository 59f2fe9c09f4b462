"""The best score so far against what was paid for it: epochs, and hours in which something was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.scores import goodness


class Point(NamedTuple):
    """After an epoch of any trial."""

    epochs: int
    """Trained until then, by all trials."""
    hours: float
    best: float
    """As the metric stands, NaN before the first score that is a number."""


def trained_hours(ended_at: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hours until each epoch's end in which at least one epoch was being trained, (N,).

    Ends are seconds since 1970, in any order. Trials side by side count once, and the time between two drivers of a
    search, or two nights, not at all.
    """
    order = np.argsort(ended_at - seconds)
    begins, ends = (ended_at - seconds)[order], ended_at[order]
    covered = np.maximum.accumulate(ends)
    new = np.concatenate([[True], begins[1:] > covered[:-1]])  # a stretch of time begins where nothing was under way
    first = np.flatnonzero(new)
    starts, stops = begins[first], covered[np.concatenate([first[1:] - 1, [len(ends) - 1]])]
    before = np.concatenate([[0.0], np.cumsum(stops - starts)[:-1]])
    stretch = np.searchsorted(starts, ended_at, side="left") - 1
    hours: NDArray[np.float64] = (before[stretch] + ended_at - starts[stretch]) / 3600
    return hours


class BestSoFar:
    """Grows with the epochs as they become known."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._ended_at: list[float] = []
        self._seconds: list[float] = []
        self._best = float("nan")

    def add(self, rows: Sequence[Mapping[Any, Any]]) -> list[Point]:
        """A point for each further epoch, in the order of their ends; `rows` are of `metrics.csv`."""
        rows = sorted(rows, key=lambda row: row["ended_at"])
        self._ended_at += [float(row["ended_at"]) for row in rows]
        self._seconds += [float(row["seconds"]) for row in rows]
        if not rows:
            return []
        hours = trained_hours(np.array(self._ended_at), np.array(self._seconds))
        first = len(self._ended_at) - len(rows)
        return [Point(place + 1, float(hours[place]), self._better(row)) for place, row in enumerate(rows, first)]

    def _better(self, row: Mapping[Any, Any]) -> float:
        value = float(row[self._metric])
        if np.isfinite(value) and not row["diverged"]:
            ahead = goodness(self._metric, value) > goodness(self._metric, self._best)
            self._best = value if ahead or np.isnan(self._best) else self._best
        return self._best
