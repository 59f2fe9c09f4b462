"""Promotion: the pure rules for which trials earn which folds, and who stops earning more."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from cluster.kinds import DIAGONAL, FULL
from trainables.comparison import paired
from trainables.member import Member, Pair
from trainables.scores import Labels, Probs, goodness, goods_by_image
from trainables.trial import Trial

RULED_OUT_BEYOND = 2.58
"""Standard errors: 99 % for one comparison, since every member is looked at after every fold."""

HELPS_BEYOND = 1.0
"""Standard errors: any second opinion moves a mix a little, a hopeless one too."""

_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True)
class Standing:
    """What the rule knows of a judged trial."""

    number: int
    epoch: int
    """Where the search left it."""
    good: float
    """The metric there, higher is better."""
    cut: bool = False
    """Whether a budget ended it there, or would: it lost to nobody."""


def _nowhere(pair: Pair) -> bool:
    return False


@dataclass(frozen=True)
class Promotion:
    """The rule for who trains which folds."""

    kind: str
    """One of `kinds.PROMOTIONS`."""
    count: int
    """Members of the ensemble: of full promotion as many trials, of a diagonal one."""
    folds: int

    def __str__(self) -> str:
        if self.kind == DIAGONAL:
            return f"{self.folds} trials, each backbone's best first, to one fold each"
        return f"{self.count} trials to all {self.folds} folds"

    @property
    def replaces(self) -> bool:
        """Whether another trial takes the fold where one diverged; else that one is out."""
        return self.kind == DIAGONAL

    def members(
        self, reached: Mapping[int, int], backbones: Mapping[int, str], diverged: Callable[[Pair], bool] = _nowhere
    ) -> list[Member]:
        """Who answers in each fold, best member first; from the epochs that trials reached, best first, by number.

        Full: each of the `count` best trials in all folds. Diagonal: another trial in each fold (`diagonal`); nothing
        where every trial diverged on some fold.
        """
        if self.kind == FULL:
            return [Member.of(number, self.folds) for number in islice(reached, self.count)]
        trials = diagonal(turns(reached, backbones), self.folds, diverged)
        return [Member(trials)] if trials else []


def turns(reached: Mapping[int, int], backbones: Mapping[int, str]) -> list[int]:
    """In which order trials take the folds of a diagonal: the best of each backbone, best first, then all others so.

    What differs most errs apart most, so different backbones come first; the best trial of all comes first anyway.
    But a backbone counts only if a trial of its own got as far as the best one: a fold has one net, and one that the
    search stopped early answers it badly.
    """
    furthest = max(reached.values(), default=0)
    first = {backbones[number]: number for number in reversed(reached) if reached[number] == furthest}.values()
    return [*(number for number in reached if number in first), *(number for number in reached if number not in first)]


def diagonal(order: Sequence[int], folds: int, diverged: Callable[[Pair], bool] = _nowhere) -> tuple[int, ...]:
    """The trial of each fold: the first trial of the order has fold 0, the second fold 1, and so on.

    With fewer trials than folds they begin again from the first. A trial that diverged on its fold is replaced there,
    and the other folds stay as they are: by the one that comes `folds` places later in the order, else by another one
    beyond the first `folds`, else by any that did not diverge there. Empty where a fold has nobody.
    """
    found: list[int] = []
    for fold in range(folds):
        own = order[fold % len(order) :: folds] if order else ()
        willing = (number for number in (*own, *order[folds:], *order) if not diverged((number, fold)))
        found += islice(willing, 1)
    return tuple(found) if len(found) == folds else ()


def ranked(standings: Sequence[Standing]) -> dict[int, int]:
    """The epochs that trials reached, by number, best first: who got furthest, then who was best there.

    A later epoch is better by itself, so who has the better score after more epochs may owe it to them. Not so after
    fewer: a trial that was cut counts as having got as far as any that it is ahead of already. Equal trials keep the
    order of their numbers.
    """
    order = sorted(standings, key=lambda standing: (-_far(standing, standings), -standing.good, standing.number))
    return {standing.number: standing.epoch for standing in order}


def _far(here: Standing, standings: Sequence[Standing]) -> int:
    if not here.cut:  # nearly all: this is asked after every report
        return here.epoch
    return max([here.epoch, *(other.epoch for other in standings if here.good > other.good)])


def ruled_out(pred_probs: Mapping[_T, Probs], labels: Labels, metric: str) -> list[_T]:
    """The members that the folds so far already rule out, from each one's probabilities (N, K) of the same N images.

    Ruled out is who is behind the leader by more than 2.58 standard errors of the paired difference, and whose
    even mix with the leader is not ahead of it by one either: an ensemble may want a member that is worse alone. The
    images should be of folds that chose nobody. The leader always stays.
    """
    goods = {member: goods_by_image(metric, probs, labels) for member, probs in pred_probs.items()}
    leader = max(goods, key=lambda member: float(goods[member].mean()))
    out = []
    for member, probs in pred_probs.items():
        difference = paired(goods[leader], goods[member])
        gain = paired(goods_by_image(metric, (pred_probs[leader] + probs) / 2, labels), goods[leader])
        if difference.behind > RULED_OUT_BEYOND * difference.se and gain.behind <= HELPS_BEYOND * gain.se:
            out.append(member)
    return out


def losers(trials: Sequence[Trial], promotion: Promotion, metric: str) -> list[int]:
    """The trials that have ended and whose net of fold 0 nobody will want, whatever those do that have not.

    A further trial moves nobody up. One that failed is tried again, and one that a budget cut may go on: no losers yet,
    and whom that one may displace neither.
    """
    judged = [replace(standing, cut=False) for standing in standings(trials, metric)]
    kept = {member.trials[0] for member in promotion.members(ranked(judged), backbones(trials))}
    return [t.number for t in trials if t.status in ("finished", "stopped", "diverged") and t.number not in kept]


def standings(trials: Sequence[Trial], metric: str) -> list[Standing]:
    """The judged trials; diverged and failed ones have no standing."""
    judged = [trial for trial in trials if trial.judged]
    return [Standing(t.number, t.epoch, goodness(metric, t.last(metric)), t.status == "cut") for t in judged]


def backbones(trials: Sequence[Trial]) -> dict[int, str]:
    """Of each trial, by number."""
    return {trial.number: trial.recipe.backbone for trial in trials}
