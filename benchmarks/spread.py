"""How a benchmark says what it measured several times."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def spread(values: Iterable[float], digits: int) -> str:
    """Median and range of what there is; NaN is not."""
    known = pd.Series(list(values), dtype=float)
    return f"{known.median():.{digits}f} ({known.min():.{digits}f}–{known.max():.{digits}f})"
