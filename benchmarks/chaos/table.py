"""What the faults did: a struck search held against one that was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from benchmarks.chaos.search import Search
from trainables.files import load_json
from trainables.layout import FoldFolder, SearchFolder

COMPARED = ("best_trial", "promoted", "ensemble", "standings", "statuses", "epochs_trained")
"""Of summary.json; rungs.json is compared whole."""


@dataclass(frozen=True)
class Outcome:
    """Of one struck search."""

    where: str
    faults: dict[str, int]
    """By kind."""
    left_out: list[str]
    """Kinds that this machine does not permit."""
    drivers: int
    trials_lost: int
    """Judged without faults, and not with them."""
    epochs: int
    epochs_trained_twice: int
    differing: list[str]
    """Decisions that are not the same to the bit."""
    unexplained_ends: int
    """Drivers that ended by themselves without a message for people."""

    @property
    def good(self) -> bool:
        """Whether nothing was lost, and nothing is other than it would have been."""
        return not (self.trials_lost or self.differing or self.unexplained_ends)


def outcome(
    where: str, straight: Search, struck: Search, faults: Mapping[str, int], left_out: Sequence[str]
) -> Outcome:
    """Hold a struck search against the one that nothing struck."""
    one, other = (decisions(SearchFolder(each.out)) for each in (straight, struck))
    epochs = {(fold, epoch) for fold, epoch, _ in struck.trained}
    retries = [FoldFolder(path).retries for path in struck.out.glob("trials/*/fold*")]
    retried = sum(len(path.read_text().splitlines()) for path in retries if path.exists())
    return Outcome(
        where,
        dict(faults),
        list(left_out),
        struck.drivers,
        len(judged(one) - judged(other)),
        len(epochs),
        len(struck.trained) - len(epochs) + retried,
        differing(one, other),
        len(struck.unexplained),
    )


def decisions(search: SearchFolder) -> dict[str, Any]:
    """All that a finished search decided, and by which numbers."""
    summary = load_json(search.summary)
    return {**{name: summary[name] for name in COMPARED}, "rungs": load_json(search.rungs)}


def judged(decided: Mapping[str, Any]) -> set[int]:
    return {row["trial"] for row in decided["standings"]}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in one if one[name] != other[name]]


def as_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [{**asdict(each), "good": each.good} for each in outcomes]


_LINES: dict[str, Callable[[Outcome], str]] = {
    "faults": lambda each: str(sum(each.faults.values())),
    "drivers": lambda each: str(each.drivers),
    "epochs": lambda each: str(each.epochs),
    "epochs trained twice": lambda each: str(each.epochs_trained_twice),
    "trials lost": lambda each: str(each.trials_lost),
    "decisions that differ": lambda each: ", ".join(each.differing) or "0",
    "unexplained ends": lambda each: str(each.unexplained_ends),
}


def drawn(outcomes: Sequence[Outcome]) -> Table:
    """For a terminal; a column for each struck search."""
    table = Table()
    table.add_column("")
    for each in outcomes:
        table.add_column(each.where, justify="right")
    for kind in dict.fromkeys(kind for each in outcomes for kind in each.faults):
        table.add_row(f"  {kind}", *(str(each.faults.get(kind, "")) for each in outcomes))
    for kind in sorted({kind for each in outcomes for kind in each.left_out}):
        table.add_row(f"  {kind}", *("not permitted here" if kind in each.left_out else "" for each in outcomes))
    table.add_section()
    for name, of in _LINES.items():
        table.add_row(name, *(of(each) for each in outcomes))
    return table
