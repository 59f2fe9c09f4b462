"""Soft labels: columns label_0 .. label_K-1 of train.csv, one share a class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_SHARE_TOLERANCE = 1e-3


def _share_columns(n_classes: int) -> list[str]:
    return [f"label_{number}" for number in range(n_classes)]


def shares_of(train: pd.DataFrame, n_classes: int) -> NDArray[np.float32] | None:
    """(N, K), each row made to sum to 1, of a table that `share_problems` finds nothing wrong with."""
    columns = _share_columns(n_classes)
    if columns[0] not in train:
        return None
    shares = train[columns].to_numpy(np.float64)
    normalised: NDArray[np.float32] = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return normalised


def share_problems(train: pd.DataFrame, n_classes: int) -> Iterator[str]:
    """Columns that lack, and rows that are no shares, each with its line."""
    columns = _share_columns(n_classes)
    lacking = [column for column in columns if column not in train]
    if lacking and len(lacking) < n_classes:
        yield f"train.csv needs shares of every class or of none; it lacks {', '.join(lacking)}"
    if lacking:
        return
    shares = train[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = ~((shares >= 0).all(1) & (np.abs(shares.sum(1) - 1.0) < _SHARE_TOLERANCE))  # NaN is wrong too
    for row in np.flatnonzero(wrong):
        got = ", ".join(train[columns].iloc[row])
        yield f"train.csv line {row + 2}: shares must be at least 0 and sum to 1, got {got}"
