"""One search played through before it begins, by the rules of ASHA, budgets and promotion, without training a net.

How well a rung tells who will be best is not known beforehand, nor how far the recipes that come first, from
experience, are ahead. So each simulated search draws both anew, from "nothing" to "everything". Nor does a machine keep
its pace: each draws its own.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cluster.asha import goes_on
from cluster.budget import Budget, Comparing, Pipeline, Remaining, epochs_to_come, is_paced, makespan, rooms
from cluster.promotion import Promotion, Standing, ranked
from trainables.member import Member

MOST_TRIALS = 20_000
"""Of a search that only a budget ends; a greater one is not played to its end."""

_MOST_LEAD_SD = 2.0
"""By how much recipes from experience are ahead of random ones at most, in standard deviations of those."""


@dataclass(frozen=True)
class Limit:
    """A budget, and what its rule asks for besides the work itself."""

    budget: Budget
    stages: tuple[range, ...]
    """Folds of promotion that are trained side by side."""
    comparing: Comparing
    closing_s: float
    """Of the end of the command."""


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
    folds_at_once: int = 0
    """Where fewer folds of promotion than slots are trained side by side; 0 where there are as many."""
    known_good: int = 0
    """So many trials come first because they are expected to be good."""
    limit: Limit | None = None
    endless: bool = False
    """Whether further trials follow, those above once more and again, until the limit is reached."""

    def like(self, number: int) -> int:
        """Which of the trials above this one is like."""
        return number % len(self.epoch_s)


@dataclass(frozen=True)
class Course:
    """What one simulated search came to."""

    trials: int
    """That ended an epoch."""
    arrived: tuple[int, ...]
    """Trials at each rung."""
    stopped: tuple[int, ...]
    """Of those."""
    search_epochs: int
    promotion_epochs: int
    busy_s: float
    """Of all slots together."""
    wall_s: float


class _Report(NamedTuple):
    """An epoch that ends."""

    at_s: float
    number: int
    epoch: int
    good: float
    """What the trial is worth there, as far as anybody sees."""
    goes_on: bool


def course(work: Work, rng: np.random.Generator) -> Course:
    """One search: trials in order, a slot each as slots get free, judged at every rung as they arrive there."""
    pace = float(np.exp(work.pace_sd * rng.standard_normal()))
    usable_s = _usable_s(work, pace)
    reports = _until_spent(work, _played(work, rng), usable_s)
    last, search_s = _last(reports), reports[-1].at_s
    members = _promoted(work, last)
    if usable_s is not None:
        _, left_s = rooms(usable_s - search_s, usable_s)
        members = _affordable(work, members, left_s)
    searching_s = sum(work.epoch_s[work.like(number)] * report.epoch for number, report in last.items())
    folds_s = [seconds for each in members for seconds in each.training_s if seconds]
    predicting_s = sum(sum(each.prediction_s) for each in members)
    promoting_s = makespan([each + work.turnover_s for each in folds_s], work.folds_at_once or work.slots)
    following_s = work.start_s + promoting_s + predicting_s / work.slots + work.turnover_s
    return Course(
        len(last),
        tuple(sum(report.epoch >= rung for report in last.values()) for rung in work.rungs),
        tuple(sum(report.epoch == rung and not report.goes_on for report in last.values()) for rung in work.rungs),
        len(reports),
        sum(each.epochs for each in members),
        pace * (searching_s + sum(folds_s) + predicting_s),
        pace * (work.start_s + search_s + following_s),
    )


def _played(work: Work, rng: np.random.Generator) -> Iterator[_Report]:
    """The epochs of a search that nothing ends, in the order in which they end."""
    numbers = count() if work.endless else iter(range(len(work.epoch_s)))
    tells = float(rng.random())  # the correlation of a rung's values with what a trial is worth
    lead = _MOST_LEAD_SD * float(rng.random())
    recorded: dict[int, list[float]] = {rung: [] for rung in work.rungs}
    running: list[tuple[float, int, int]] = []
    goods: dict[int, NDArray[np.float64]] = {}

    def begin(now: float) -> None:
        for number in islice(numbers, 1):
            worth = rng.standard_normal() + (lead if number < work.known_good else 0.0)
            noise = rng.standard_normal(len(work.rungs) + 1)
            goods[number] = np.sqrt(tells) * worth + np.sqrt(1 - tells) * noise
            heapq.heappush(running, (now + work.turnover_s + work.epoch_s[work.like(number)], number, 1))

    for _ in range(work.slots):
        begin(0.0)
    while running:
        at_s, number, epoch = heapq.heappop(running)
        here = recorded.get(epoch)
        good = float(goods[number][-1 if here is None else work.rungs.index(epoch)])
        passes = epoch < work.epochs and (here is None or goes_on(good, here))
        if here is not None:
            insort(here, good)
        yield _Report(at_s, number, epoch, good, passes)
        if passes:
            heapq.heappush(running, (at_s + work.epoch_s[work.like(number)], number, epoch + 1))
        else:
            del goods[number]
            begin(at_s)


def _usable_s(work: Work, pace: float) -> float | None:
    """Of a time budget, on a machine of this pace: what trials and all that follows them have."""
    if work.limit is None or work.limit.budget.seconds is None:
        return None
    return work.limit.budget.seconds / pace - work.start_s - work.limit.closing_s


def _until_spent(work: Work, played: Iterator[_Report], usable_s: float | None) -> list[_Report]:
    """Up to the epoch at which what is spent and what is still to come reach the budget, where there is one.

    What is spent grows by an epoch with each, and what is to come shrinks by no more; so the end is found by halves.
    """
    if work.limit is None:
        return list(played)
    reports, epochs = [], work.limit.budget.epochs
    for report in played:
        reports.append(report)
        late = usable_s is not None and report.at_s >= usable_s
        if late or len(reports) == epochs or (work.endless and report.number >= MOST_TRIALS):
            break
    end = bisect_left(range(1, len(reports)), True, key=lambda n: _is_spent(work, reports[:n], usable_s))
    return reports[: end + 1]


def _is_spent(work: Work, reports: Sequence[_Report], usable_s: float | None) -> bool:
    """By the rule of `Spending`, without those that are about to take a place."""
    assert work.limit is not None
    last = _last(reports)
    first = _promoted(work, last)
    to_come = epochs_to_come(first, work.promotion.count, work.promotion.folds * work.epochs)
    if work.limit.budget.has_no_epochs_left(len(reports), work.slots, to_come):
        return True
    leader = last[first[0].member.trials[0]]
    if usable_s is None or not is_paced(leader.epoch, leader.goes_on):
        return False
    pipeline, left_s = _pipeline(work), usable_s - reports[-1].at_s
    return left_s <= pipeline.to_come_s(pipeline.within(first, left_s, usable_s))


def _pipeline(work: Work) -> Pipeline:
    assert work.limit is not None
    slots = work.folds_at_once or work.slots
    return Pipeline(slots, work.limit.stages, work.start_s, work.turnover_s, work.limit.comparing)


def _last(reports: Sequence[_Report]) -> dict[int, _Report]:
    """Of each trial."""
    return {report.number: report for report in reports}


def _promoted(work: Work, last: Mapping[int, _Report]) -> list[Remaining]:
    """Who is promoted if the search ends here, and what each lacks."""
    standings = [Standing(number, report.epoch, report.good) for number, report in last.items()]
    backbones = {number: work.backbones[work.like(number)] for number in last}
    return [_remaining(work, last, member) for member in work.promotion.members(ranked(standings), backbones)]


def _remaining(work: Work, last: Mapping[int, _Report], member: Member) -> Remaining:
    epochs = [work.epochs - (last[number].epoch if fold == 0 else 0) for number, fold in member.pairs]
    kinds = [work.like(number) for number in member.trials]
    training_s = tuple(left * work.epoch_s[kind] for left, kind in zip(epochs, kinds, strict=True))
    return Remaining(member, training_s, sum(epochs), tuple(work.prediction_s[kind] for kind in kinds))


def _affordable(work: Work, members: Sequence[Remaining], left_s: float) -> list[Remaining]:
    taken = _pipeline(work).affordable(members, left_s)
    return [each for each in members if each.member in taken]
