"""What a search may cost in all, and what is still to come once its trials end: pure rules, numbers in, numbers out.

A budget holds for the whole command, promotion, prediction and report included. Their share is reserved: the search
ends as soon as what was spent and what is still to come reach the budget.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from trainables.member import Member

_TOLERANCE = 0.025
"""Share of a time budget by which an estimate may miss before a promoted trial is given up."""

_CLOSING = 0.6
"""Seconds of summary, report and Ray's end for each second of imports: both go with the speed of the machine."""

_COMPARING, _COMPARING_PREDICTION = 0.6, 1e-5
"""Likewise, of comparing the ways of blending: at all, and for each prediction (a member's, an image, a class). By the
nine methods on 1,437 to 12,000 images: 2.6 s and 8.6e-5 s, and 3.5 s to import what torch optimizes with, where the
imports took 9 s."""

_STOPPING_S = 3.0
"""From the end of the search until Ray's actors are gone and promotion begins."""

_MARGIN = 1.03
"""Folds side by side were up to 7 % slower than the trial's own epochs had been, and up to 2 % faster."""

PACED = 3
"""Epochs from which a trial's pace is known: the first one warms a worker up, and the next may be a rung."""

_PROMOTION_AT_MOST = 0.5
"""Share of a time budget beyond which fewer members are promoted, or cheaper ones, so that there is something to choose
from: half an hour's search that ends with its first recipe has searched for nothing."""


@dataclass(frozen=True)
class Budget:
    """Either limit, both, or none."""

    seconds: float | None = None
    epochs: int | None = None

    def __bool__(self) -> bool:
        return self.seconds is not None or self.epochs is not None

    def covers_more_than(self, other: Budget) -> bool:
        """Whether a search that ended for `other` has something left to spend."""
        more_time = self.seconds is None or (other.seconds is not None and self.seconds > other.seconds)
        more_epochs = self.epochs is None or (other.epochs is not None and self.epochs > other.epochs)
        return (
            (more_time or self.seconds == other.seconds)
            and (more_epochs or self.epochs == other.epochs)
            and self != other
        )

    def has_no_epochs_left(self, spent: int, running: int, to_come: int) -> bool:
        """Whether the trials must end: what runs now may still end its epoch, and what is to come is kept."""
        return self.epochs is not None and spent + running + to_come >= self.epochs


@dataclass(frozen=True)
class Pace:
    """How fast a trial trains, from its own epochs on fold 0."""

    epoch_s: float
    scored_epoch_s: float
    """Of an epoch after which it is scored at every TTA count."""
    view_s: float
    """Of one image at one view in prediction."""

    def training_s(self, epochs: Iterable[int], scored: Collection[int]) -> float:
        """Of these epochs, by number."""
        return sum(self.scored_epoch_s if epoch in scored else self.epoch_s for epoch in epochs)


def pace_of(rows: Sequence[Mapping[Any, Any]], scored: Collection[int], images: int, views: int) -> Pace:
    """From the rows of at least one epoch; `images` were validated at `views` each after a plain epoch.

    The first epoch of several is left out, unless it alone is a plain one: it warms a worker up, on digits for as long
    again as an epoch takes.
    """
    warm = rows[1:] or rows
    plain = [row for row in warm if row["epoch"] not in scored]
    plain = plain or [row for row in rows if row["epoch"] not in scored] or list(warm)
    late = [row for row in warm if row["epoch"] in scored] or plain
    return Pace(
        median(row["seconds"] for row in plain),
        median(row["seconds"] for row in late),
        median(row["score_s"] for row in plain) / (images * views),
    )


@dataclass(frozen=True)
class Remaining:
    """What a member that is, or may be, promoted still has to do."""

    member: Member
    training_s: tuple[float, ...]
    """Of each fold; 0 where it is trained to its end."""
    epochs: int
    """In all of those."""
    prediction_s: tuple[float, ...]
    """Of each fold net whose test predictions are lacking."""


def epochs_to_come(first: Sequence[Remaining], count: int, of_a_member: int) -> int:
    """Of promoting those who are first now; of the `count` members those still to be found take all their epochs."""
    return sum(each.epochs for each in first) + (count - len(first)) * of_a_member


def makespan(durations: Iterable[float], slots: int) -> float:
    """Seconds until tasks that begin in this order, `slots` at once, have all ended."""
    free = [0.0] * slots
    for duration in durations:
        heapq.heappush(free, heapq.heappop(free) + duration)
    return max(free)


@dataclass(frozen=True)
class Comparing:
    """Seconds in which the ways of blending are compared; one member leaves nothing to compare."""

    start_s: float = 0.0
    member_s: float = 0.0
    """Of each member beyond the start."""

    def seconds(self, members: int) -> float:
        return self.start_s + members * self.member_s if members > 1 else 0.0


def comparing(imports_s: float, folds: int, predictions: int) -> Comparing:
    """On a machine that took so long to import; `predictions` are a member's, of all classes.

    Two folds leave no third to choose a way of blending by.
    """
    if folds < 3:
        return Comparing()
    return Comparing(_COMPARING * imports_s, _COMPARING_PREDICTION * predictions * imports_s)


Alone = tuple[float, float]
"""Seconds of one member, if it alone were promoted: of its other folds and predictions, and with what fold 0 lacks."""


def rooms(left_s: float, budget_s: float) -> Alone:
    """What promotion should take at most, and what all can take, with so much left of a time budget."""
    return _PROMOTION_AT_MOST * budget_s, left_s + _TOLERANCE * budget_s


def fits(alone: Alone, rooms: Alone) -> bool:
    return all(seconds <= room for seconds, room in zip(alone, rooms, strict=True))


def is_too_slow(here: Alone, others: Iterable[Alone], rooms: Alone) -> bool:
    """Whether this one has no room where another one has: in both, or else in what is left.

    The others are looked at only where that decides.
    """
    if here[1] > rooms[1]:
        return any(other[1] <= rooms[1] for other in others)
    return not fits(here, rooms) and any(fits(other, rooms) for other in others)


def is_paced(epoch: int, running: bool) -> bool:
    """Whether a trial's pace is known, or as well as it ever will be."""
    return epoch >= PACED or not running


def closing_s(imports_s: float) -> float:
    """Seconds of the end of a command, on a machine that took so long to import."""
    return _CLOSING * imports_s


@dataclass(frozen=True)
class Pipeline:
    """How promotion runs: what its tasks share."""

    slots: int
    stages: tuple[range, ...]
    """Folds that are trained side by side, and wait for those before them."""
    start_s: float
    """Of the first worker."""
    turnover_s: float
    """From task to task."""
    comparing: Comparing = Comparing()

    def finishing_s(self, members: Sequence[Remaining]) -> float:
        """Seconds of promotion, of comparing blends, and of prediction."""
        return self._tasks_s(members) + self.comparing.seconds(len(members))

    def _tasks_s(self, members: Sequence[Remaining]) -> float:
        """A worker's start, every fold with a turnover, then the prediction, whose images the slots share evenly."""
        stages = [
            [m.training_s[fold] for m in members for fold in stage if m.training_s[fold]] for stage in self.stages
        ]
        predicting = [each for member in members for each in member.prediction_s]
        spans = [makespan([each + self.turnover_s for each in tasks], self.slots) for tasks in stages]
        spans += [sum(predicting) / self.slots + self.turnover_s] if predicting else []
        return self.start_s + sum(spans) if any(spans) else 0.0

    def affordable(self, members: Sequence[Remaining], left_s: float) -> list[Member]:
        """Those that can be finished in `left_s` seconds, best first; where nobody can, the first one.

        One that is too slow is passed over, and those behind it may fit. Who costs nothing more fits always.
        """
        taken = self._filled([], members, left_s) or list(members[:1])
        return [each.member for each in taken]

    def _filled(self, taken: list[Remaining], members: Sequence[Remaining], left_s: float) -> list[Remaining]:
        """These, and of the members, in their order, all for whom there is room beside them."""
        for each in members:
            free = self._tasks_s([*taken, each]) <= self._tasks_s(taken)
            if free or self.finishing_s([*taken, each]) <= left_s:
                taken = [*taken, each]
        return taken

    def alone(self, member: Remaining) -> Alone:
        """What it costs if it alone is promoted."""
        promotion = replace(member, training_s=(0.0, *member.training_s[1:]))
        return self.finishing_s([promotion]), self.finishing_s([member])

    def within(self, members: Sequence[Remaining], left_s: float, budget_s: float) -> list[Remaining]:
        """Those for whom time is kept: the best one whose promotion takes at most half of the budget, or else that
        what is left has room for; and beside it as many as then take no more than half.

        So where a costlier trial takes a place and there is no room for it, the search goes on without it.
        """
        half_s, left_s = rooms(left_s, budget_s)
        fitting = self._filled([], members, left_s)
        cheap = [each for each in members if fits(self.alone(each), (half_s, left_s))]
        best = (cheap or fitting or list(members))[:1]
        others = [each for each in members if each not in best]
        return self._filled(best, others, min(half_s, left_s))

    def to_come_s(self, members: Sequence[Remaining]) -> float:
        """Seconds that are kept for finishing these, from the moment that the trials end."""
        return _STOPPING_S + _MARGIN * self.finishing_s(members)
