"""Rules that stop trials: ours, by the very function that a search decides with, and those that others are known by."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Sequence

from benchmarks.replays.replay import GO, PAUSE, STOP, Rule, halving_epochs
from cluster.asha import goes_on, rung_epochs


class Ours(Rule):
    """ASHA's stopping variant, `cluster.asha.goes_on`."""

    def __init__(self, epochs: int, grace: int, factor: int) -> None:
        self._factor = factor
        self._goods: dict[int, list[float]] = {rung: [] for rung in rung_epochs(epochs, grace, factor)}

    def reported(self, trial: int, epoch: int, good: float) -> str:
        if epoch not in self._goods:
            return GO
        passes = goes_on(good, self._goods[epoch], self._factor)
        insort(self._goods[epoch], good)
        return GO if passes else STOP


class Promotion(Rule):
    """ASHA by promotion (Li et al., arXiv 1810.05934, algorithm 2): all wait at a rung until they are in its best part.

    A free slot goes to the highest rung that has somebody to promote, else to a new trial.
    """

    def __init__(self, epochs: int, grace: int, factor: int) -> None:
        self._factor = factor
        self._goods: dict[int, dict[int, float]] = {rung: {} for rung in rung_epochs(epochs, grace, factor)}
        self._promoted: dict[int, set[int]] = {rung: set() for rung in self._goods}

    def reported(self, trial: int, epoch: int, good: float) -> str:
        if epoch not in self._goods:
            return GO
        self._goods[epoch][trial] = good
        return PAUSE

    def choose(self, new: int | None) -> int | None:
        for rung in sorted(self._goods, reverse=True):
            here = self._goods[rung]
            best = _best(here, len(here) // self._factor)
            promotable = [trial for trial in best if trial not in self._promoted[rung]]
            if promotable:
                self._promoted[rung].add(promotable[0])
                return promotable[0]
        return new


class Halving(Rule):
    """Successive halving (Jamieson and Talwalkar, arXiv 1502.07943): a rung is judged once all members are there.

    The best 1/factor go on, at least one. New trials come first, so that the rung fills.
    """

    def __init__(self, members: Iterable[int], rungs: Sequence[int], factor: int) -> None:
        self._members, self._factor = set(members), factor
        self._rungs = list(rungs)
        self._here: dict[int, float] = {}
        self._ready: list[int] = []

    def reported(self, trial: int, epoch: int, good: float) -> str:
        if not self._rungs or epoch != self._rungs[0]:
            return GO
        self._here[trial] = good
        self._settle()
        return PAUSE

    def gone(self, trial: int) -> None:
        self._members.discard(trial)
        self._settle()

    def choose(self, new: int | None) -> int | None:
        return self.released() if new is None else new

    def released(self) -> int | None:
        """A trial that has passed its rung and waits for a slot."""
        return self._ready.pop(0) if self._ready else None

    def _settle(self) -> None:
        if self._rungs and self._here and len(self._here) == len(self._members):
            kept = _best(self._here, max(1, len(self._here) // self._factor))
            self._ready, self._members, self._here = kept, set(kept), {}
            self._rungs.pop(0)


class Hyperband(Rule):
    """Hyperband (Li et al., arXiv 1603.06560): brackets of successive halving, from the most daring to none at all.

    Its s-th bracket has ceil((most + 1) / (s + 1) * factor^s) trials; after the last one the first begins again. Trials
    go on from where they waited, and whoever passed a rung is before a new trial.
    """

    def __init__(self, trials: int, epochs: int, factor: int) -> None:
        self._brackets: list[Halving] = []
        self._of: dict[int, Halving] = {}
        rungs = list(halving_epochs(epochs, factor))
        while len(self._of) < trials:
            own = rungs[len(self._brackets) % len(rungs)]
            size = math.ceil(len(rungs) / (len(own) + 1) * factor ** len(own))
            members = range(len(self._of), min(len(self._of) + size, trials))
            self._brackets.append(Halving(members, own, factor))
            self._of |= dict.fromkeys(members, self._brackets[-1])

    def reported(self, trial: int, epoch: int, good: float) -> str:
        return self._of[trial].reported(trial, epoch, good)

    def gone(self, trial: int) -> None:
        self._of[trial].gone(trial)

    def choose(self, new: int | None) -> int | None:
        for bracket in self._brackets:
            if (trial := bracket.released()) is not None:
                return trial
        return new


def _best(goods: dict[int, float], count: int) -> list[int]:
    return sorted(goods, key=lambda trial: (-goods[trial], trial))[:count]
