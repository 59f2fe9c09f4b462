"""A prediction's time limit: for every batch the best way to answer that still ends in time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from analysis.affordable import Option, best_within, views_by_trial
from analysis.members import Members

_RECENT_BATCHES = 20
"""A machine's pace is that of the last few batches."""

_KEPT_BACK = 0.01
"""Share of what is left that is not planned with: the last batch may be slower, and files are to be written."""


class Pacer:
    """For every batch the best option that still ends in time, at the pace that the last ones had."""

    def __init__(self, ways: Sequence[Option], end: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`end` by `clock`."""
        self._ways, self._end, self._clock = ways, end, clock
        self._recent: deque[tuple[float, float]] = deque(maxlen=_RECENT_BATCHES)

    def option(self, images_left: int) -> Option | None:
        """For the next batch; None when the time is over. If no option ends in time, the cheapest."""
        left_s = self._end - self._clock()
        if left_s <= 0:
            return None
        image_s = (1 - _KEPT_BACK) * left_s / images_left / self._pace()
        return best_within(self._ways, image_s) or self._ways[0]

    def took(self, option: Option, images: int, seconds: float) -> None:
        """What a batch really took."""
        self._recent.append((seconds, images * option.image_s))

    def _pace(self) -> float:
        """Real seconds for a planned one."""
        planned = sum(each for _, each in self._recent)
        return sum(each for each, _ in self._recent) / planned if planned else 1.0


class TimeLimit:
    """A `Pacer` as a prediction asks it: in views for every net."""

    def __init__(self, members: Members, ways: Sequence[Option], end: float) -> None:
        """`end` by `time.monotonic()`."""
        self._members, self._pacer = members, Pacer(ways, end)
        self._ways = {members.counts(way.views, way.nets): way for way in ways}
        self._images: dict[Option, int] = {}

    def counts(self, left: int) -> tuple[int, ...] | None:
        """For the next batch, of so many images that are left; None when the time is over."""
        way = self._pacer.option(left)
        return None if way is None else self._members.counts(way.views, way.nets)

    def took(self, counts: tuple[int, ...], images: int, seconds: float) -> None:
        """What a batch really took."""
        way = self._ways[counts]
        self._images[way] = self._images.get(way, 0) + images
        self._pacer.took(way, images, seconds)

    def lines(self) -> list[str]:
        """How many images were answered in which way."""
        return [
            f"{images} images by {views_by_trial(self._members.numbers, way.views)}, {way.nets} nets each"
            for way, images in self._images.items()
        ]
