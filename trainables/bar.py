"""Progress of long work: a bar in a terminal, a few plain lines elsewhere, nothing where quiet is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Update = Callable[[int, int], None]
"""Called with how much is done and how much there is."""

_LINES_A_BAR = 5


@contextmanager
def bar(what: str, quiet: bool) -> Iterator[Update]:
    """Yields the function to call as work gets done."""
    console = Console()
    if quiet:
        yield lambda done, total: None
    elif not console.is_terminal:
        yield _lines(what)
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)


def _lines(what: str) -> Update:
    started, printed = time.monotonic(), 0
    earlier: int | None = None  # done before this began: fold 0, or what a resume finds

    def update(done: int, total: int) -> None:
        nonlocal printed, earlier
        earlier = done if earlier is None else earlier
        part = _LINES_A_BAR * done // max(1, total)
        if part > printed:
            printed = part
            spent = time.monotonic() - started
            known = earlier < done < total
            left = f", about {duration(spent / (done - earlier) * (total - done))} left" if known else ""
            print(f"{what}: {done}/{total}{left}", flush=True)

    return update


def duration(seconds: float) -> str:
    """'42 s', '3 min', '1 h 05 min'."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
