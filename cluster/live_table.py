"""The live table of a search, made to fit the screen: which trials it shows, and which columns of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search_spaces.recipe import FIELDS, Recipe
from trainables.bar import bars, time_left
from trainables.scores import goodness, shown
from trainables.trial import STATUSES

RUNNING = "running"

GO_ON = (RUNNING, "unfinished")
"""Statuses of trials that have not ended."""

_GAP = 2
_LINES_AROUND = 6
"""The bar, the table's head, the line between its halves, what is not shown, and one for the cursor."""

_FEWEST_ROWS = 4
_WIDEST_CELL = 22

_FIRST_FIELDS = ("backbone", "image_size", "learning_rate", "batch_size", "t1", "t2", "smoothing", "tta_count")
"""Where the screen has no room for all that differs between trials."""

_BEGUN = {"unfinished": "begun"}
"""Shorter, and nobody would say of a trial that waits for its turn that it ended so."""

_SHORT = {"image_size": "px", "learning_rate": "lr", "batch_size": "batch", "smoothing": "smooth", "tta_count": "tta"}


@dataclass
class Seen:
    """A trial as far as it has reported."""

    recipe: Recipe
    status: str = "unfinished"
    """`running`, or one of `trial.STATUSES`."""
    epoch: int = 0
    row: Mapping[Any, Any] | None = None
    """The newest epoch's."""


@dataclass(frozen=True)
class _Column:
    head: str
    width: int
    cell: Callable[[int, Seen], str]
    left: bool = False


class LiveTable:
    """A bar of trials, the best ones, those that run and a count of the others, on one screen.

    Columns have one width from beginning to end, trials that run stand by their number, and nothing is drawn but where
    it is asked for: a screen that is looked at for hours should not move without need.
    """

    def __init__(self, console: Console, recipes: Sequence[Recipe], metric: str, rungs: Sequence[int]) -> None:
        self._console, self._metric = console, metric
        self._columns = _columns(recipes, metric, rungs)
        self._bars = bars(console)
        self._task = self._bars.add_task("search, trials", total=None, left="")
        self._live = Live(console=console, auto_refresh=False)

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        """The table stays; the cursor comes back."""
        self._live.stop()

    def draw(self, seen: Mapping[int, Seen], expected: int | None, left_s: float | None, at_once: int) -> None:
        """All trials that have begun, of as many as are `expected` in all; `at_once` run side by side at most."""
        ended = sum(each.status not in GO_ON for each in seen.values())
        self._bars.update(self._task, completed=ended, total=expected, left=time_left(left_s))
        best, running = self._rows(seen, at_once)
        others = _counts(each.status for number, each in seen.items() if number not in {*best, *running})
        lines = [self._bars.get_renderable(), self._table(seen, best, running)]
        self._live.update(Group(*lines, *([others] if others else [])), refresh=True)

    def _rows(self, seen: Mapping[int, Seen], at_once: int) -> tuple[list[int], list[int]]:
        """Who is shown: of those that do not run the best, and those that run, by number.

        What runs has room for as many as ever ran at once, so that the best do not come and go with every trial.
        """
        room = max(_FEWEST_ROWS, self._console.height - _LINES_AROUND)
        running = sorted(number for number, each in seen.items() if each.status == RUNNING)
        others = [number for number in ranked(seen, self._metric) if seen[number].status != RUNNING]
        best = others[: room - min(max(at_once, len(running)), room // 2)]
        return best, running[: room - len(best)]

    def _table(self, seen: Mapping[int, Seen], best: Sequence[int], running: Sequence[int]) -> Table:
        columns = _fitting(self._columns, self._console.width)
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
        for column in columns:
            justify = "left" if column.left else "right"
            table.add_column(column.head, justify=justify, width=column.width, no_wrap=True)  # type: ignore[arg-type]
        top = best_of(seen, self._metric)
        for numbers in (best, running):
            if numbers is running and best and running:
                table.add_row()
            for number in numbers:
                cells = (Text(column.cell(number, seen[number])) for column in columns)
                table.add_row(*cells, style="bold green" if number == top else None)
        return table


def best_of(seen: Mapping[int, Seen], metric: str) -> int | None:
    """The trial that is furthest, and best there; None where none can be judged."""
    first = next(iter(ranked(seen, metric)), None)
    return first if first is not None and _judged(seen[first]) else None


def ranked(seen: Mapping[int, Seen], metric: str) -> list[int]:
    """Trials by how far they got, and the best there first; those that nothing is known of last."""

    def place(number: int) -> tuple[int, float, int]:
        each = seen[number]
        if each.row is None or not _judged(each):
            return 1, inf, number
        return -each.epoch, -goodness(metric, each.row[metric]), number

    return sorted(seen, key=place)


def _judged(seen: Seen) -> bool:
    return seen.row is not None and not seen.row["diverged"] and seen.status not in ("failed", "slow")


def with_se(row: Mapping[Any, Any] | None, name: str) -> str:
    """'0.4213 ± 0.0125', or nothing where nothing is known."""
    return f"{row[name]:.4f} ± {row[f'{name}_se']:.4f}" if row and name in row else ""


def _counts(statuses: Iterable[str]) -> str:
    """'  and 140 more: 120 stopped, 20 finished', or nothing where there are none."""
    counts = Counter(statuses)
    words = ", ".join(f"{counts[status]} {_word(status)}" for status in (RUNNING, *STATUSES) if counts[status])
    return f"  and {counts.total()} more: {words}" if counts else ""


def _word(status: str) -> str:
    return _BEGUN.get(status, status)


def _columns(recipes: Sequence[Recipe], metric: str, rungs: Sequence[int]) -> list[_Column]:
    """By how much a reader would miss them."""

    def rung(_number: int, seen: Seen) -> str:
        return str(max((rung for rung in rungs if seen.epoch >= rung), default="-"))

    epochs = max(len(str(recipe.epochs)) for recipe in recipes)
    return [
        _Column("trial", 5, lambda number, seen: f"{number:03d}"),
        _Column("status", max(map(len, map(_word, STATUSES))), lambda number, seen: _word(seen.status), left=True),
        _Column("epoch", max(5, 2 * epochs + 1), lambda number, seen: f"{seen.epoch}/{seen.recipe.epochs}"),
        *(_of_score(name) for name in shown(metric)),
        *(_of_field(name, recipes) for name in _differing(recipes)),
        _Column("rung", 4, rung),
    ]


def _of_score(name: str) -> _Column:
    return _Column(name, len("0.0000 ± 0.0000"), lambda number, seen: with_se(seen.row, name))


def _differing(recipes: Sequence[Recipe]) -> list[str]:
    """Fields that have not one value in all recipes."""
    order = dict.fromkeys((*_FIRST_FIELDS, *FIELDS))
    return [name for name in order if len({getattr(recipe, name) for recipe in recipes}) > 1]


def _of_field(name: str, recipes: Sequence[Recipe]) -> _Column:
    head = _SHORT.get(name, name)
    longest = max(len(_value(getattr(recipe, name))) for recipe in recipes)
    width = min(max(len(head), longest), _WIDEST_CELL)
    left = isinstance(getattr(recipes[0], name), str)
    return _Column(head, width, lambda number, seen: _value(getattr(seen.recipe, name)), left)


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _fitting(columns: Sequence[_Column], width: int) -> list[_Column]:
    """Those that stand whole beside each other, the first first."""
    taken: list[_Column] = []
    for column in columns:
        if sum(each.width + _GAP for each in taken) + column.width <= width:
            taken.append(column)
    return taken
