"""What a person sees of a running search: a live table of trials; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial
from rich.console import Console
from rich.live import Live
from rich.table import Table

from cluster.asha import RungTable
from search_spaces.recipe import Recipe
from trainables.durations import duration
from trainables.layout import SearchFolder
from trainables.scores import goodness, shown
from trainables.trial import Trial, load_trial, load_trials

# The table's own title, head and frame.
_LINES_AROUND = 7

_GO_ON = ("running", "unfinished")


@dataclass
class _Seen:
    recipe: Recipe
    status: str = "unfinished"
    epoch: int = 0
    row: Mapping[Any, Any] | None = None
    """The newest epoch."""


def _seen(trial: Trial) -> _Seen:
    rows = trial.epochs.tail(1).to_dict("records")
    return _Seen(trial.recipe, trial.status, trial.epoch, rows[0] if rows else None)


class SearchProgress(Callback):  # type: ignore[misc]
    """Ray Tune's callbacks turned into a table of trials with rung, best so far, and time left."""

    def __init__(self, search: SearchFolder, asked: int | None, table: RungTable, slots: int, quiet: bool) -> None:
        self._search, self._asked, self._table, self._slots = search, asked, table, slots
        self._seen = {trial.number: _seen(trial) for trial in load_trials(search)}
        console = Console()
        self._height = console.height
        self._plain = not quiet and not console.is_terminal
        self._live = None if quiet or self._plain else Live(console=console, refresh_per_second=2, transient=False)

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; a screen cannot be."""
        return {**self.__dict__, "_live": None}

    def setup(self, **_info: Any) -> None:
        if self._live:
            self._live.start()

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._note(trial, "running")

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_info: Any
    ) -> None:
        self._note(trial, "running")
        seen = self._seen[trial.config["trial"]]
        seen.row, seen.epoch = result, result["epoch"]

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        number = trial.config["trial"]
        row = self._seen[number].row or {}
        ended = "diverged" if row.get("diverged") else "stopped" if number in self._table.stopped else "finished"
        self._note(trial, ended)

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        given_up = self._search.trial(trial.config["trial"]).error.exists()
        self._note(trial, "failed" if given_up else "unfinished")

    def on_experiment_end(self, trials: list[RayTrial], **_info: Any) -> None:
        if self._live:
            self._live.update(self._drawn(), refresh=True)
            self._live.stop()

    def _note(self, trial: RayTrial, status: str) -> None:
        number = trial.config["trial"]
        if number not in self._seen:
            self._seen[number] = _seen(load_trial(self._search, number))
        self._seen[number].status = status
        if self._live:
            self._live.update(self._drawn())
        elif self._plain and status not in _GO_ON:
            print(self._line(number), flush=True)

    def _line(self, number: int) -> str:
        seen, recipe = self._seen[number], self._seen[number].recipe
        row = seen.row or {}
        values = "  ".join(f"{name} {_with_se(row, name)}" for name in shown(self._table.metric) if name in row)
        what = f"epoch {seen.epoch}/{recipe.epochs}  {values}  {recipe.backbone} {recipe.image_size} px"
        return f"trial {number:03d}  {seen.status:8s}  {what}  | {self._state()}"

    def _state(self) -> str:
        parts = [f"{self._ended()}/{self._expected()} trials" if self._asked else f"{self._ended()} trials"]
        top = self.best_so_far()
        if top is not None:
            parts.append(f"best {self._table.metric} {self._value(top):.4f} (trial {top:03d})")
        left = self.seconds_left()
        if left:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def _ended(self) -> int:
        return sum(seen.status not in _GO_ON for seen in self._seen.values())

    def _expected(self) -> int:
        """Trials in all: as many as asked for, and a further one for each that cannot be judged."""
        lost = sum(seen.status in ("diverged", "failed") for seen in self._seen.values())
        return max((self._asked or 0) + lost, len(self._seen))

    def _value(self, number: int) -> float:
        row = self._seen[number].row
        return float(row[self._table.metric]) if row else float("nan")

    def best_so_far(self) -> int | None:
        """The trial that is furthest, and best there."""
        rows = {n: seen.row for n, seen in self._seen.items() if seen.row and not seen.row["diverged"]}
        if not rows:
            return None
        return max(rows, key=lambda n: (rows[n]["epoch"], goodness(self._table.metric, rows[n][self._table.metric])))

    def seconds_left(self) -> float | None:
        """Of the search, from the seconds of an epoch so far and the epochs that an ended trial took."""
        rows = [seen.row for seen in self._seen.values() if seen.row]
        if not rows or self._asked is None:
            return None
        a_epoch: float = sum(row["seconds"] for row in rows) / len(rows)
        ended = [seen.epoch for seen in self._seen.values() if seen.row and seen.status not in _GO_ON]
        usual = sum(ended) / len(ended) if ended else next(iter(self._seen.values())).recipe.epochs / 2
        begun = sum(max(0.0, usual - seen.epoch) for seen in self._seen.values() if seen.status in _GO_ON)
        return (begun + usual * (self._expected() - len(self._seen))) * a_epoch / self._slots

    def _drawn(self) -> Table:
        table = Table(title=f"search: {self._state()}", title_justify="left")
        for column in (
            "trial",
            "status",
            "backbone",
            "px",
            "batch",
            "lr",
            "t1",
            "t2",
            "smooth",
            "tta",
            "epoch",
            "rung",
        ):
            table.add_column(column, justify="left" if column in ("status", "backbone") else "right")
        for column in shown(self._table.metric):
            table.add_column(column, justify="right")
        top, room = self.best_so_far(), max(4, self._height - _LINES_AROUND)
        for number in self.ranked()[:room]:
            table.add_row(*self._cells(number), style="bold green" if number == top else None)
        return table

    def ranked(self) -> list[int]:
        """Trials that have begun: those that run, then the others, the furthest and best first."""

        def place(number: int) -> tuple[bool, int, float]:
            seen = self._seen[number]
            good = goodness(self._table.metric, self._value(number)) if seen.row and not seen.row["diverged"] else -inf
            return seen.status != "running", -seen.epoch, -good

        return sorted(self._seen, key=place)

    def _cells(self, number: int) -> list[str]:
        seen, recipe = self._seen[number], self._seen[number].recipe
        passed = [rung for rung in self._table.rungs if seen.epoch >= rung]
        row = seen.row or {}
        return [
            f"{number:03d}",
            seen.status,
            recipe.backbone,
            str(recipe.image_size),
            str(recipe.batch_size),
            f"{recipe.learning_rate:.2g}",
            f"{recipe.t1:.2f}",
            f"{recipe.t2:.2f}",
            f"{recipe.smoothing:g}",
            str(recipe.tta_count),
            f"{seen.epoch}/{recipe.epochs}",
            str(passed[-1]) if passed else "-",
            *(_with_se(row, name) if name in row else "" for name in shown(self._table.metric)),
        ]


def _with_se(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:.4f} ± {row[f'{name}_se']:.4f}"
