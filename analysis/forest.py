"""A forest that learns scores from what was searched: the model behind importance and dependence.

Trials are few and parameters of every kind, and nothing is known of the shape of their effects: what trees are for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

Array = NDArray[np.float64]

_TREES = 40
_LEAF = 2
"""Trials: a leaf of one would repeat its noise."""


@dataclass(frozen=True, eq=False)
class Coded:
    """Trials as a forest takes them."""

    names: tuple[str, ...]
    values: Array
    """(n, P): numbers as they are, other values as their place among the sorted ones. Trees ask for the order only."""
    kinds: dict[str, list[object]]
    """The sorted values of the parameters that are no numbers."""


def coded(searched: pd.DataFrame) -> Coded:
    """Of a frame of parameters, a row a trial; text and truth values become numbers."""
    kinds: dict[str, list[object]] = {}
    columns = []
    for name, column in searched.items():
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            columns.append(column.to_numpy(np.float64))
        else:
            kinds[str(name)] = sorted(column.unique(), key=str)
            columns.append(
                column.map({kind: place for place, kind in enumerate(kinds[str(name)])}).to_numpy(np.float64)
            )
    return Coded(tuple(map(str, searched.columns)), np.column_stack(columns), kinds)


def fitted(values: Array, scores: Array, seed: int) -> RandomForestRegressor:
    """On values (n, P) and scores (n,)."""
    return RandomForestRegressor(_TREES, min_samples_leaf=_LEAF, random_state=seed).fit(values, scores)
