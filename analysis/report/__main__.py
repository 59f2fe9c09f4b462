"""Write the report of OUT again: python -m analysis.report OUT."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from analysis.loading import load
from analysis.report.page import write_report
from search_spaces.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done. 2: bad input."""
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 1:
        print("usage: python -m analysis.report OUT", file=sys.stderr)
        return 2
    try:
        print(write_report(load(words[0])))
    except InputError as error:
        print(f"analysis.report: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
