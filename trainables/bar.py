"""Progress of long work: a bar in a terminal, a few plain lines elsewhere, nothing where quiet is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column

from trainables.durations import duration
from trainables.terminal import terminal

Update = Callable[[int, int], None]
"""Called with how much is done and how much there is."""

_LINES_A_BAR = 5
_LINES_WITH_A_RATE = 20

_REDRAWN_A_SECOND = 2.0

_NARROWEST_NAME = 20
"""So that the bars of stages stand below each other."""

_BESIDE_A_BAR = 63
"""Columns of the longest name, count and time; what a screen has beyond them is the bar's."""

_SHORTEST_BAR, _LONGEST_BAR = 8, 40


@contextmanager
def bar(what: str, quiet: bool, unit: str = "") -> Iterator[Update]:
    """Yields the function to call as work gets done; with a `unit` it also says how many a second, and until when."""
    console = terminal()
    if quiet:
        yield lambda done, total: None
    elif console is None:
        yield _lines(what, unit)
    else:
        with bars(console) as progress:
            task, left = progress.add_task(what, total=None, left=""), _left()

            def update(done: int, total: int) -> None:
                left_s = left(done, total)
                said = _rate(unit, total - done, left_s) if unit else time_left(left_s)
                progress.update(task, completed=done, total=total, left=said)

            yield update


def bars(console: Console) -> Progress:
    """Bars of one look, whatever they are of: its tasks have a field `left` to say until when. It is not started."""
    return Progress(
        TextColumn("{task.description}", table_column=Column(min_width=_NARROWEST_NAME, no_wrap=True)),
        BarColumn(min(max(console.width - _BESIDE_A_BAR, _SHORTEST_BAR), _LONGEST_BAR)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[left]}"),
        console=console,
        refresh_per_second=_REDRAWN_A_SECOND,
    )


def time_left(seconds: float | None) -> str:
    """'about 3 min left', or nothing where that is not known, or over."""
    return f"about {duration(seconds)} left" if seconds else ""


def _lines(what: str, unit: str) -> Update:
    left = _left()
    lines, printed = _LINES_WITH_A_RATE if unit else _LINES_A_BAR, 0

    def update(done: int, total: int) -> None:
        nonlocal printed
        part = lines * done // max(1, total)
        left_s = left(done, total)
        said = [f"{what}: {done}/{total}", time_left(left_s), _rate(unit, total - done, left_s)]
        if part > printed:
            printed = part
            print(", ".join(filter(None, said)), flush=True)

    return update


def _left() -> Callable[[int, int], float | None]:
    """Seconds to go at the pace so far; None where it is not known, or over."""
    started = time.monotonic()
    earlier: int | None = None  # done before this began: fold 0, or what a resume finds

    def left(done: int, total: int) -> float | None:
        nonlocal earlier
        earlier = done if earlier is None else earlier
        spent = time.monotonic() - started
        return spent / (done - earlier) * (total - done) if earlier < done < total else None

    return left


def _rate(unit: str, to_do: int, left_s: float | None) -> str:
    """'12.3 images/s, until 14:32:10', or nothing where there is no unit or the end is not known."""
    if not unit or not left_s:
        return ""
    arrival = time.strftime("%H:%M:%S", time.localtime(time.time() + left_s))
    return f"{to_do / left_s:.1f} {unit}/s, until {arrival}"
