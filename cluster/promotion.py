"""Promotion: the pure rules for which trials earn all folds, and which of them stop earning more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainables.comparison import paired
from trainables.scores import Labels, Probs, goodness, goods_by_image
from trainables.trial import Trial

RULED_OUT_BEYOND = 2.58
"""Standard errors: 99 % for one comparison, since every member is looked at after every fold."""

HELPS_BEYOND = 1.0
"""Standard errors: any second opinion moves a mix a little, a hopeless one too."""


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


def ruled_out(pred_probs: Mapping[int, Probs], labels: Labels, metric: str) -> list[int]:
    """The members that the folds so far already rule out, by number, from probabilities (N, K) of the same N images.

    Ruled out is who is behind the leader by more than 2.58 standard errors of the paired difference, and whose
    even mix with the leader is not ahead of it by one either: an ensemble may want a member that is worse alone. The
    images should be of folds that chose nobody. The leader always stays.
    """
    goods = {number: goods_by_image(metric, probs, labels) for number, probs in pred_probs.items()}
    leader = max(goods, key=lambda number: float(goods[number].mean()))
    out = []
    for number, probs in pred_probs.items():
        difference = paired(goods[leader], goods[number])
        gain = paired(goods_by_image(metric, (pred_probs[leader] + probs) / 2, labels), goods[leader])
        if difference.behind > RULED_OUT_BEYOND * difference.se and gain.behind <= HELPS_BEYOND * gain.se:
            out.append(number)
    return out


def losers(trials: Sequence[Trial], promote: int, metric: str) -> list[int]:
    """The trials that have ended and cannot be promoted any more, whatever those do that have not.

    A further trial moves nobody up. One that failed is tried again, and one that a budget cut may go on: no losers yet.
    """
    kept = best(standings(trials, metric), promote)
    return [t.number for t in trials if t.status in ("finished", "stopped", "diverged") and t.number not in kept]


def standings(trials: Sequence[Trial], metric: str) -> list[Standing]:
    """The judged trials; diverged and failed ones have no standing."""
    return [Standing(t.number, t.epoch, goodness(metric, t.last(metric))) for t in trials if t.judged]
