"""The last page of a search in a terminal: what was found, and what to do with it. 24 lines of 80 columns hold it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from search_spaces.errors import shortened
from trainables.bucket import is_bucket
from trainables.durations import duration
from trainables.layout import SearchFolder
from trainables.member import member_name
from trainables.terminal import fitted
from trainables.trial import STATUSES

_MOST_MEMBERS, _MOST_EDGES = 5, 2
"""The report has the others."""


def closing_page(summary: Mapping[str, Any], report: Path, place: str) -> str:
    """Of a search whose OUT is at `place`, a folder or a bucket. Its commands are whole lines, to be copied."""
    answer = SearchFolder(report.parent).submission
    files = (f"report     {_from_here(report)}", f"answer     {_from_here(answer)}")
    return "\n".join((fitted("\n".join((*_told(summary), *files))), *_commands(place)))


def _told(summary: Mapping[str, Any]) -> Iterator[str]:
    ensemble = summary["ensemble"]
    share = f"{ensemble['nested_accuracy']:.4f} ± {ensemble['nested_se']:.4f}"
    yield f"ensemble   {share} out of fold, trials {', '.join(_members(ensemble))}"
    yield f"blend      {ensemble['method']}: {ensemble['chosen_because']}"
    if "test_accuracy" in ensemble:
        best = summary["best_trial"]["test_accuracy"]
        yield f"true test  ensemble {ensemble['test_accuracy']:.4f}, best net of the search {best:.4f}"
    epochs, seconds = (sum(row[name] for row in summary["cost"]) for name in ("epochs", "seconds"))
    yield f"promotion  {summary['promotion']}: {epochs} epochs more, {duration(seconds)} of training"
    statuses = ", ".join(f"{count} {name}" for name in STATUSES if (count := summary["statuses"].get(name)))
    trained, most = summary["epochs_trained"], summary["epochs_without_stopping"]
    yield f"trials     {statuses}; {trained} epochs, of {most} without stopping"
    yield from _edges(summary["edges"])
    yield from _unfinished(summary["statuses"])


def _members(ensemble: Mapping[str, Any]) -> list[str]:
    """'003 x 0.50', the greatest weight first."""
    weighted = sorted(zip(ensemble["weights"], ensemble["members"], strict=True), key=lambda each: -each[0])
    return shortened([f"{member_name(stored)} x {weight:.2f}" for weight, stored in weighted], _MOST_MEMBERS)


def _edges(edges: Sequence[str]) -> Iterator[str]:
    for edge in edges[:_MOST_EDGES]:
        yield f"edge       of the best recipe, {edge}"
    if len(edges) > _MOST_EDGES:
        yield f"edge       and {len(edges) - _MOST_EDGES} more, in the report"


def _unfinished(statuses: Mapping[str, int]) -> Iterator[str]:
    """What the same command would still do."""
    if statuses.get("failed"):
        yield f"--resume   tries the {statuses['failed']} failed again, with the same command"
    cut = statuses.get("cut", 0) + statuses.get("slow", 0)
    if cut:
        yield f"--resume   and a greater budget go on with the {cut} that this one cut"


def _commands(place: str) -> Iterator[str]:
    folder = shlex.quote(str(_from_here(Path(place))))
    if is_bucket(place):
        folder = "FOLDER"
        yield f"next       with a copy of {place} in a FOLDER here:"
    else:
        yield "next"
    yield f"  python predict.py {folder} --images DIR --out answer.csv"
    yield f"  tensorboard --logdir {folder}"


def _from_here(path: Path) -> Path:
    """As a person who stands here would name it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
