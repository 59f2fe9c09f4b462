"""A prediction's time limit: for every batch the best way to answer that still ends in time."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence

from analysis.affordable import Option, best_within, views_by_trial
from analysis.fold_nets import FoldNets

_RECENT_BATCHES = 20
"""A machine's pace is that of the last few batches."""

_KEPT_BACK = 0.02
"""Share of the whole that is not planned with: the last batches may be slower, and files are to be written."""


class Pacer:
    """For every batch the best option that still ends in time, at the pace that the last ones had."""

    def __init__(
        self, ways: Sequence[Option], batch: int, end: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`batch` images at a time; `end` by `clock`."""
        self._ways, self._batch, self._clock = ways, batch, clock
        self._end = end - _KEPT_BACK * max(0.0, end - clock()) if end < math.inf else end
        self._recent: deque[tuple[float, float]] = deque(maxlen=_RECENT_BATCHES)

    def option(self, images_left: int) -> Option | None:
        """For the next batch. If no option ends in time, the cheapest; None when there is no time for a batch of it."""
        left_s = (self._end - self._clock()) / self._pace()
        cheapest = self._ways[0]
        if left_s < min(self._batch, images_left) * cheapest.image_s:
            return None
        return best_within(self._ways, left_s / images_left) or cheapest

    def took(self, option: Option, images: int, seconds: float) -> None:
        """What a batch really took."""
        self._recent.append((seconds, images * option.image_s))

    def _pace(self) -> float:
        """Real seconds for a planned one."""
        planned = sum(each for _, each in self._recent)
        return sum(each for each, _ in self._recent) / planned if planned else 1.0


class TimeLimit:
    """A `Pacer` as a prediction asks it: in views for every net."""

    def __init__(self, ensemble: FoldNets, ways: Sequence[Option], batch: int, end: float) -> None:
        """`batch` images at a time; `end` by `time.monotonic()`."""
        self._ensemble, self._pacer = ensemble, Pacer(ways, batch, end)
        self._ways = {ensemble.counts(way.views, way.nets): way for way in ways}
        self._images: dict[Option, int] = {}

    def counts(self, left: int) -> tuple[int, ...] | None:
        """For the next batch, of so many images that are left; None when the time is over."""
        way = self._pacer.option(left)
        return None if way is None else self._ensemble.counts(way.views, way.nets)

    def took(self, counts: tuple[int, ...], images: int, seconds: float) -> None:
        """What a batch really took."""
        way = self._ways[counts]
        self._images[way] = self._images.get(way, 0) + images
        self._pacer.took(way, images, seconds)

    def lines(self) -> list[str]:
        """How many images were answered in which way."""
        return [
            f"{images} images by {views_by_trial(self._ensemble.names, way.views)}, {way.nets} nets each"
            for way, images in self._images.items()
        ]
