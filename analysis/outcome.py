"""What the plan said of a search, beside what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainables.files import load_json, load_object
from trainables.layout import SearchFolder
from trainables.member import Member
from trainables.trial import Trial, load_epochs

Row = dict[str, Any]
"""`what`, `low`, `high` (nineteen in twenty simulated searches ended between them), `actual`, `inside`."""


def plan_and_outcome(search: SearchFolder, trials: Mapping[int, Trial], promotion_epochs: float) -> list[Row]:
    """A row for each thing that was foretold, none where nothing was; what promotion took, `cost` knows."""
    if not search.forecast.exists():
        return []
    said = load_object(search.forecast, "search_epochs", "promotion_epochs", "stopped")
    judged = [trial for trial in trials.values() if trial.judged]
    rows = [
        _row("epochs of the search", said["search_epochs"], sum(trial.epoch for trial in trials.values())),
        _row("epochs of promotion", said["promotion_epochs"], promotion_epochs),
        *_stopped(said["stopped"], judged),
    ]
    if said.get("budget"):
        rows.insert(0, _row("trials", said["search_trials"], sum(trial.epoch > 0 for trial in trials.values())))
    if "wall_s" in said:
        seconds = load_json(search.spending)["seconds"]
        rows.append(_row("minutes", [each / 60 for each in said["wall_s"]], seconds / 60))
    return rows


def _stopped(said: Mapping[str, list[float]], judged: Iterable[Trial]) -> Iterable[Row]:
    """By rung, of the trials that got there."""
    ends = [(trial.epoch, trial.status) for trial in judged]
    for rung, interval in said.items():
        arrived = [end for end in ends if end[0] >= int(rung)]
        if arrived:
            share = sum(end == (int(rung), "stopped") for end in arrived) / len(arrived)
            yield _row(f"stopped at rung {rung}, %", [100 * each for each in interval], 100 * share)


def cost(search: SearchFolder, trials: Mapping[int, Trial], member: Member) -> dict[str, float]:
    """`epochs` of a promoted member's folds and `seconds` that they took, less what the search had of fold 0."""
    folds = [load_epochs(search.trial(number).fold(fold)) for number, fold in member.pairs]
    searched = trials[member.trials[0]].epochs
    seconds = sum(each["seconds"].sum() for each in folds) - searched["seconds"].sum()
    return {"epochs": sum(map(len, folds)) - len(searched), "seconds": float(seconds)}


def _row(what: str, interval: Sequence[float], actual: float) -> Row:
    low, high = interval
    return {"what": what, "low": low, "high": high, "actual": actual, "inside": low <= actual <= high}
