"""What a person sees of a running search: a live table of trials; plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial

from cluster.asha import RungTable
from cluster.live_table import GO_ON, RUNNING, LiveTable, Seen, best_of, with_se
from search_spaces.recipe import Recipe
from trainables.bar import time_left
from trainables.layout import SearchFolder
from trainables.scores import shown
from trainables.terminal import terminal
from trainables.trial import Trial, load_trial, load_trials

_DRAWN_EVERY_S = 0.5


def _seen(trial: Trial) -> Seen:
    rows = trial.epochs.tail(1).to_dict("records")
    return Seen(trial.recipe, trial.status, trial.epoch, rows[0] if rows else None)


class SearchProgress(Callback):  # type: ignore[misc]
    """Ray Tune's callbacks turned into a table of trials and the time left, or into a line for each that ends.

    `recipes` are those that will be tried, as far as that is known: the table shows in what they differ.
    """

    def __init__(
        self, search: SearchFolder, asked: int | None, recipes: Sequence[Recipe], table: RungTable, quiet: bool
    ) -> None:
        self._search, self._asked, self._table = search, asked, table
        self._most_at_once = 1
        self._seen = {trial.number: _seen(trial) for trial in load_trials(search)}
        console = terminal()
        self._plain = not quiet and console is None
        drawn = console is not None and not quiet
        self._screen = LiveTable(console, recipes, table.metric, table.rungs) if console and drawn else None
        self._changed, self._drawn_at = False, -_DRAWN_EVERY_S

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; a screen cannot be."""
        return {**self.__dict__, "_screen": None}

    def setup(self, **_info: Any) -> None:
        if self._screen:
            self._screen.start()

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._note(trial, RUNNING)

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_info: Any
    ) -> None:
        self._note(trial, RUNNING)
        seen = self._seen[trial.config["trial"]]
        seen.row, seen.epoch = result, result["epoch"]

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._note(trial, self._how_ended(trial.config["trial"]))

    def _how_ended(self, number: int) -> str:
        seen = self._seen[number]
        if seen.row and seen.row["diverged"]:
            return "diverged"
        if number in self._table.stopped:
            return "stopped"
        return "finished" if seen.epoch == seen.recipe.epochs else "slow"

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        given_up = self._search.trial(trial.config["trial"]).error.exists()
        self._note(trial, "failed" if given_up else "unfinished")

    def on_step_end(self, iteration: int, trials: list[RayTrial], **_info: Any) -> None:
        if self._changed and time.monotonic() - self._drawn_at >= _DRAWN_EVERY_S:
            self._draw(self._most_at_once)

    def on_experiment_end(self, trials: list[RayTrial], **_info: Any) -> None:
        """Of those that a budget or an interruption ended, Ray tells nothing else."""
        for seen in self._seen.values():
            seen.status = "unfinished" if seen.status == RUNNING else seen.status
        self._draw(at_once=0)
        self.close()

    def close(self) -> None:
        """Give the terminal back, also where the search ended in an error."""
        if self._screen:
            self._screen.stop()

    def _draw(self, at_once: int) -> None:
        if self._screen:
            expected = self._expected() if self._asked else None
            self._screen.draw(self._seen, expected, self.seconds_left(), at_once)
            self._changed, self._drawn_at = False, time.monotonic()

    def _note(self, trial: RayTrial, status: str) -> None:
        number = trial.config["trial"]
        if number not in self._seen:
            self._seen[number] = _seen(load_trial(self._search, number))
        self._seen[number].status = status
        self._most_at_once = max(self._most_at_once, sum(seen.status == RUNNING for seen in self._seen.values()))
        self._changed = True
        if self._plain and status not in GO_ON:
            print(self._line(number), flush=True)

    def _line(self, number: int) -> str:
        seen, recipe = self._seen[number], self._seen[number].recipe
        values = "  ".join(f"{name} {with_se(seen.row, name)}" for name in shown(self._table.metric) if seen.row)
        what = f"epoch {seen.epoch}/{recipe.epochs}  {values}  {recipe.backbone} {recipe.image_size} px"
        return f"trial {number:03d}  {seen.status:8s}  {what}  | {self._state()}"

    def _state(self) -> str:
        parts = [f"{self._ended()}/{self._expected()} trials" if self._asked else f"{self._ended()} trials"]
        top = best_of(self._seen, self._table.metric)
        if top is not None:
            parts.append(f"best {self._table.metric} {self._value(top):.4f} (trial {top:03d})")
        return ", ".join(filter(None, [*parts, time_left(self.seconds_left())]))

    def _ended(self) -> int:
        return sum(seen.status not in GO_ON for seen in self._seen.values())

    def _expected(self) -> int:
        """Trials in all: as many as asked for, and a further one for each that cannot be judged."""
        lost = sum(seen.status in ("slow", "diverged", "failed") for seen in self._seen.values())
        return max((self._asked or 0) + lost, len(self._seen))

    def _value(self, number: int) -> float:
        row = self._seen[number].row
        return float(row[self._table.metric]) if row else float("nan")

    def seconds_left(self) -> float | None:
        """Of the search, from the seconds of an epoch, the epochs that ended trials took, and how many ran at once."""
        rows = [seen.row for seen in self._seen.values() if seen.row]
        if not rows or self._asked is None:
            return None
        a_epoch: float = sum(row["seconds"] for row in rows) / len(rows)
        ended = [seen.epoch for seen in self._seen.values() if seen.row and seen.status not in GO_ON]
        usual = sum(ended) / len(ended) if ended else next(iter(self._seen.values())).recipe.epochs / 2
        begun = sum(max(0.0, usual - seen.epoch) for seen in self._seen.values() if seen.status in GO_ON)
        return (begun + usual * (self._expected() - len(self._seen))) * a_epoch / self._most_at_once
