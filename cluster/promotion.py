"""Promotion: the pure rule for which trials earn all folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainables.scores import goodness
from trainables.trial import Trial


@dataclass(frozen=True)
class Standing:
    """What the rule knows of a judged trial."""

    number: int
    epoch: int
    """Where the search left it."""
    good: float
    """The metric there, higher is better."""


def best(standings: Sequence[Standing], count: int) -> list[int]:
    """The numbers of the `count` best trials, best first: who got furthest, then who was best there.

    Scores at different epochs are not compared, for a later epoch is better by itself. Equal trials keep the
    order of their numbers.
    """
    ranked = sorted(standings, key=lambda standing: (-standing.epoch, -standing.good, standing.number))
    return [standing.number for standing in ranked[:count]]


def standings(trials: Sequence[Trial], metric: str) -> list[Standing]:
    """The judged trials; diverged and failed ones have no standing."""
    return [Standing(t.number, t.epoch, goodness(metric, t.last(metric))) for t in trials if t.judged]
