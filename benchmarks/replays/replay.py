"""A search replayed on curves that are known: who trains when on so many slots, and how far each trial gets."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GO, PAUSE, STOP = "go", "pause", "stop"


class Rule:
    """Decides after every epoch, and who is next. This one never stops anybody."""

    def reported(self, trial: int, epoch: int, good: float) -> str:
        """GO, PAUSE or STOP; `good` is higher for better. Asked after the last epoch too, where it decides nothing."""
        return GO

    def gone(self, trial: int) -> None:
        """The trial diverged: it is never ranked."""

    def choose(self, new: int | None) -> int | None:
        """Who takes a free slot: a paused trial, or `new`, the next one that was never begun; None leaves it idle."""
        return new


@dataclass
class Replayed:
    """What a search did."""

    reached: NDArray[np.int64]
    """Epochs that each trial trained, (trials,)."""
    wall_s: float = 0.0
    order: list[tuple[int, int]] = field(default_factory=list)
    """Trial and epoch of every report, in the order of the clock."""


def replay(goods: Floats, seconds: Floats, rule: Rule, slots: int) -> Replayed:
    """Run trials 0, 1, … on `slots`; `goods` and `seconds` are (trials, epochs), NaN from where a trial diverged.

    Nobody waits for anybody, unless the rule pauses: a slot that is free takes whom the rule chooses at once.
    """
    trials, epochs = goods.shape
    done = Replayed(np.zeros(trials, dtype=np.int64))
    running: list[tuple[float, int, int]] = []
    new, begun = iter(range(trials)), 0
    upcoming = next(new, None)
    while True:
        while len(running) < slots and (trial := rule.choose(upcoming)) is not None:
            if trial == upcoming:
                upcoming = next(new, None)
            _begin_epoch(running, done, seconds, trial, begun)
            begun += 1
        if not running:
            return done
        done.wall_s, _, trial = heapq.heappop(running)
        if _report(done, goods, rule, trial) == GO and done.reached[trial] < epochs:
            _begin_epoch(running, done, seconds, trial, begun)
            begun += 1


def _begin_epoch(
    running: list[tuple[float, int, int]], done: Replayed, seconds: Floats, trial: int, begun: int
) -> None:
    heapq.heappush(running, (done.wall_s + float(seconds[trial, done.reached[trial]]), begun, trial))


def _report(done: Replayed, goods: Floats, rule: Rule, trial: int) -> str:
    done.reached[trial] += 1
    epoch = int(done.reached[trial])
    done.order.append((trial, epoch))
    good = float(goods[trial, epoch - 1])
    if np.isnan(good):
        rule.gone(trial)
        return STOP
    return rule.reported(trial, epoch, good)


def standing(goods: Floats, reached: NDArray[np.int64]) -> list[int]:
    """Who would be handed over, best first: who got furthest, then who was best there, as promotion has it."""
    last = goods[np.arange(len(reached)), reached - 1]
    judged = [trial for trial in range(len(reached)) if reached[trial] and not np.isnan(last[trial])]
    return sorted(judged, key=lambda trial: (-reached[trial], -last[trial], trial))


def halving_epochs(epochs: int, factor: int) -> Iterator[tuple[int, ...]]:
    """Hyperband's brackets, the most daring first: rungs `epochs` / factor^k below the end, k counting down."""
    most = 0
    while epochs / factor ** (most + 1) >= 1:
        most += 1
    for deepest in range(most, -1, -1):
        yield tuple(round(epochs / factor**k) for k in range(deepest, 0, -1))
