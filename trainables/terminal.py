"""What a terminal gets and a pipe does not: a screen that can be drawn on, and lines that fit its width."""

from __future__ import annotations

import textwrap

from rich.console import Console

LABEL = 11
"""Columns of the word that a line of a plan or of a result begins with, and of the space after it."""

_WIDEST = 100
"""Longer lines are hard to read, however wide the screen is."""


def terminal() -> Console | None:
    """The terminal that stdout is; None for a pipe, for a file, and for a terminal whose cursor cannot be moved."""
    console = Console()
    return console if console.is_terminal and not console.is_dumb_terminal else None


def fitted(text: str) -> str:
    """Lines that begin with a label, broken at words for the terminal; as they are where there is none."""
    console = terminal()
    return wrapped(text, min(console.width, _WIDEST)) if console else text


def wrapped(text: str, width: int) -> str:
    """`fitted` to so many columns: what follows a line's first goes under its text. Long words are left whole."""
    pages = textwrap.TextWrapper(width, subsequent_indent=LABEL * " ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(pages.fill(line) for line in text.splitlines())
