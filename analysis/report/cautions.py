"""What a reader should mind before the answer is used: a caution each, gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import evidence
from analysis.loading import Found
from trainables.comparison import TIED_WITHIN
from trainables.durations import duration


@dataclass(frozen=True)
class Caution:
    """One thing to mind."""

    key: str
    """A word for the page's anchors, its own."""
    what: str
    """In a few words, for the first screen."""
    says: str
    """In full."""


def cautions(found: Found) -> list[Caution]:
    """Of a finished search."""
    summary, trials = found.summary, found.trials
    return [
        *_skipped(summary["skipped"]),
        *_ended_badly(trials),
        *_edges(summary),
        *_soft(summary.get("soft_labels", False)),
        *_ties(found.standings),
        *_beside_the_plan(summary["plan"]),
        *_preempted(summary["preemptions"]),
        *_few(int(trials["status"].isin(("finished", "stopped", "cut")).sum())),
    ]


def _skipped(skipped: list[Mapping[str, Any]]) -> Iterator[Caution]:
    test = sum(row["folder"] == "test_images" for row in skipped)
    parts = [("training image", len(skipped) - test, "in no fold")] if len(skipped) > test else []
    if test:
        parts.append(
            ("test image", test, "in the submission with the commonest class of the labels, which means nothing")
        )
    if parts:
        told = "; ".join(f"{counted(count, noun)}, {where}" for noun, count, where in parts)
        says = f"What cannot be used was left out (--bad-images skip): {told}."
        yield Caution("skipped", f"{counted(len(skipped), 'image')} left out", says)


_BADLY = {
    "diverged": "A loss was not finite twice in one epoch. What diverges is in no ranking, and another recipe takes "
    "its place.",
    "failed": "An error came back at every attempt; error.txt in the trial's folder has it. What fails is not ranked.",
    "unfinished": "Not trained to an end, and in no ranking.",
    "slow": "Its folds would have taken longer than half of the time budget, or than what was left of it, and those of "
    "another would not. It was cut as soon as that was known. What is too slow is in no ranking, and another recipe "
    "takes its place.",
    "cut": "The budget ended training before the last epoch. What is cut is judged by the epoch that it reached, "
    "behind all that trained longer and whose scores it was not ahead of.",
}
_IN_WORDS = {"cut": "cut by the budget", "slow": "too slow for the budget"}


def _ended_badly(trials: pd.DataFrame) -> Iterator[Caution]:
    for status, says in _BADLY.items():
        numbers = trials.loc[trials["status"] == status, "trial"]
        if len(numbers):
            what = f"{counted(len(numbers), 'trial')} {_IN_WORDS.get(status, status)}"
            yield Caution(status, what, f"{_named(numbers)}. {says}")


def _edges(summary: Mapping[str, Any]) -> Iterator[Caution]:
    found = summary["edges"]
    if found:
        says = (
            f"The best recipe, of trial {summary['best_trial']['trial']:03d}, sits at the end of what was searched: "
            f"{'; '.join(found)}. What lies beyond may be better still."
        )
        fields = evidence.listed([str(edge).split()[0] for edge in found])
        yield Caution("edges", f"best recipe at the end of a range: {fields}", says)


def _soft(soft: bool) -> Iterator[Caution]:
    if soft:
        says = (
            "Nets train on the shares of train.csv's columns label_0, label_1, …; every score here is on its column "
            "label, which has one class an image."
        )
        yield Caution("soft", "soft labels", says)


def _ties(standings: pd.DataFrame) -> Iterator[Caution]:
    within = f"A tie is a difference, paired on the images of fold 0, within {TIED_WITHIN} of its standard errors."
    first, *others = standings.loc[standings["tied_with_first"], "trial"]
    if others:
        says = f"{_named(others)}: not told apart from the first, trial {first:03d}. {within}"
        yield Caution("ties", f"{counted(len(others), 'trial')} tied with the first", says)
    cut = standings.loc[standings["cut_is_tie"], "trial"]
    if len(cut):
        says = f"{_named(cut)}: not promoted, but tied with the last that was. {within}"
        yield Caution("cut-ties", f"{counted(len(cut), 'trial')} missed promotion by a tie", says)


def _beside_the_plan(plan: Iterable[Mapping[str, Any]]) -> Iterator[Caution]:
    outside = [
        f"{row['what']}: {row['actual']:.1f}, not {row['low']:.1f} to {row['high']:.1f}"
        for row in plan
        if not row["inside"]
    ]
    if outside:
        says = f"{'; '.join(outside)}. Nineteen in twenty simulated searches ended within."
        yield Caution("plan-missed", f"{counted(len(outside), 'number')} outside the plan", says)


def _preempted(lost: Mapping[str, Any]) -> Iterator[Caution]:
    if lost["count"]:
        says = (
            f"{lost['count']} trainings, or parts of the prediction, lost their machine and went on elsewhere; at most "
            f"{duration(lost['lost_s'])} of work went with it. No number is changed by that."
        )
        yield Caution("preempted", f"{counted(lost['count'], 'machine')} lost on the way", says)


def _few(judged: int) -> Iterator[Caution]:
    if judged < evidence.FEWEST_TRIALS:
        says = (
            f"Of {counted(judged, 'trial')} little can be learnt about what matters in a recipe; under "
            f"{evidence.FEWEST_TRIALS} the notebooks say nothing of it. How sure the answer is does not depend on that."
        )
        yield Caution("few", f"only {counted(judged, 'trial')} judged", says)


def counted(count: int, noun: str) -> str:
    """'1 trial', '3 trials', 'no trials'."""
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _named(numbers: Iterable[int]) -> str:
    named = [f"{number:03d}" for number in numbers]
    return f"Trial{'' if len(named) == 1 else 's'} {evidence.listed(named)}"
