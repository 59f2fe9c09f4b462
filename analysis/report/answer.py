"""What to use, how sure that is, and what it cost: the first screen of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import cost, evidence
from analysis.loading import Found
from trainables.comparison import Difference
from trainables.files import load_json
from trainables.member import Member, member_name, member_nets
from trainables.trial import load_recipe

Row = dict[str, Any]


@dataclass(frozen=True)
class Rival:
    """The one candidate that comes nearest to the ensemble on the same images, or is ahead of it."""

    name: str
    ahead: Difference
    """How far the ensemble is ahead of it, in accuracy."""
    nets: int

    @property
    def verdict(self) -> str:
        """`tied`; else where the ensemble stands, `ahead` or `behind`."""
        return "tied" if self.ahead.tied else "ahead" if self.ahead.behind > 0 else "behind"


@dataclass(frozen=True)
class Cost:
    """What was spent, from the first command to the report."""

    wall_s: float
    """By the clock, over all drivers where the search was resumed."""
    search_epochs: int
    without_stopping: int
    """Epochs that the search would have taken, had ASHA stopped nobody."""
    promotion_epochs: int
    """What promotion, and what was denoised, took beyond."""
    hours: list[Row]
    """`purpose`, `hours` and `share` of all trainings, one after the other; the last row has all of it."""
    machines: int


@dataclass(frozen=True)
class Answer:
    """All of the first screen."""

    members: list[Row]
    """One a trial that answers: `trial`, `folds`, `weight` of its member, `recipe`."""
    nets: int
    """How many nets look at each image."""
    images: int
    """How many are scored out of fold."""
    interval: evidence.Interval
    """Of the ensemble's accuracy on labels as given, with weights and method of other folds."""
    rival: Rival | None
    """None where there is one candidate."""
    cost: Cost


def answer(found: Found) -> Answer:
    """From the files of a finished search."""
    ensemble, folds = found.summary["ensemble"], int(found.about["folds"])
    images = sum(row["images"] for row in ensemble["folds"])
    members = [Member.of(stored, folds) for stored in ensemble["members"]]
    return Answer(
        members=[
            row
            for member, weight in zip(members, ensemble["weights"], strict=True)
            for row in _rows(found, member, weight)
        ],
        nets=sum(len(member_nets(found.search, member)) for member in members),
        images=images,
        interval=evidence.of_share(round(ensemble["nested_accuracy"] * images), images),
        rival=_rival(found, ensemble, folds),
        cost=_cost(found),
    )


def _rows(found: Found, member: Member, weight: float) -> list[Row]:
    return [
        {
            "trial": number,
            "folds": "all" if len(folds) == len(member.trials) else evidence.listed([str(fold) for fold in folds]),
            "weight": weight,
            "recipe": load_recipe(found.search.trial(number)).to_dict(),
        }
        for number, folds in member.by_trial.items()
    ]


def _rival(found: Found, ensemble: Mapping[str, Any], folds: int) -> Rival | None:
    if len(ensemble["ahead_of"]) < 2:
        return None
    nearest = min(ensemble["ahead_of"], key=lambda row: float(row["behind"]))
    member = Member.of(nearest["trial"], folds)
    ahead = Difference(nearest["behind"], nearest["se"])
    return Rival(member_name(nearest["trial"]), ahead, len(member_nets(found.search, member)))


def _cost(found: Found) -> Cost:
    summary, epochs = found.summary, found.fold_epochs
    seconds = load_json(found.search.spending)["seconds"] if found.search.spending.exists() else 0.0
    hosts = epochs.get("host", pd.Series(dtype=str))  # which earlier code did not write
    return Cost(
        wall_s=max(summary["wall_s"], seconds),
        search_epochs=summary["epochs_trained"],
        without_stopping=summary["epochs_without_stopping"],
        promotion_epochs=int((epochs["stage"] == "promotion").sum()),
        hours=cost.totals(cost.by_trial(epochs, found.trials)).to_dict("records"),  # type: ignore[arg-type]
        machines=max(1, hosts.nunique()),
    )
