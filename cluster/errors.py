"""How a search ends that does not end well: what is said of it, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from search_spaces import InputError


class SearchFailed(RuntimeError):
    """No trial could be judged, or the search was interrupted. Nothing that was trained is lost."""


def exit_code(work: Callable[[], int]) -> int:
    """What `work` returns; 2 after bad input, 1 after a failure, 130 after Ctrl-C, with the cause on stderr."""
    try:
        return work()
    except (InputError, SearchFailed) as error:
        print(f"search.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("search.py: interrupted; the same command with --resume goes on from here", file=sys.stderr)
        return 130
