"""Progress of long work: a bar in a terminal, a few plain lines elsewhere, nothing where quiet is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainables.durations import duration

Update = Callable[[int, int], None]
"""Called with how much is done and how much there is."""

_LINES_A_BAR = 5
_LINES_WITH_A_RATE = 20


@contextmanager
def bar(what: str, quiet: bool, unit: str = "") -> Iterator[Update]:
    """Yields the function to call as work gets done; with a `unit` it also says how many a second, and until when."""
    console = Console()
    if quiet:
        yield lambda done, total: None
    elif not console.is_terminal:
        yield _lines(what, unit)
    else:
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        columns += [TextColumn("{task.fields[rate]}")] if unit else []
        with Progress(*columns, console=console) as progress:
            task, left = progress.add_task(what, total=None, rate=""), _left()

            def update(done: int, total: int) -> None:
                rate = _rate(unit, total - done, left(done, total))
                progress.update(task, completed=done, total=total, rate=rate)

            yield update


def _lines(what: str, unit: str) -> Update:
    left = _left()
    lines, printed = _LINES_WITH_A_RATE if unit else _LINES_A_BAR, 0

    def update(done: int, total: int) -> None:
        nonlocal printed
        part = lines * done // max(1, total)
        left_s = left(done, total)
        about = f", about {duration(left_s)} left" if left_s else ""
        said = _rate(unit, total - done, left_s)
        if part > printed:
            printed = part
            print(f"{what}: {done}/{total}{about}{said and f', {said}'}", flush=True)

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
