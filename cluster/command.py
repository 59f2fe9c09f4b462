"""search.py from its words to its exit code. Flags are judged here, before anything that is slow to import."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from cluster.errors import SearchFailed
from cluster.flags import read_flags
from cluster.space import space_of
from search_spaces import InputError, Space


def run(story: Callable[[argparse.Namespace, Space], int], arguments: Sequence[str] | None) -> int:
    """What the story returns of flags that are right; 2 after bad input, 1 after a failure, 130 after Ctrl-C."""
    flags = read_flags(arguments)
    try:
        return story(flags, space_of(flags))
    except (InputError, SearchFailed) as error:
        print(f"search.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("search.py: interrupted; the same command with --resume goes on from here", file=sys.stderr)
        return 130
