"""Every trial as a line through the values of what was searched, to the score where it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainables.scores import goodness

_FEW = 6
"""So many different values are ticks, each; more are an axis from the least to the greatest."""

_SHOWN = 18
"""Characters of a name."""


def parallel_coordinates(searched: pd.DataFrame, trials: pd.DataFrame, metric: str) -> Figure:
    """Lines from the palest, worst, to the darkest, best, by rank; thin and dotted where a trial did not train to its
    end, since its score is of an earlier epoch."""
    ended = trials.set_index("trial")[["status", "epoch", metric]].dropna()
    table = searched.loc[searched.index.intersection(ended.index)].assign(**{metric: ended[metric]})
    figure = Figure(figsize=(1.5 + 1.25 * len(table.columns), 4), layout="constrained")
    axes = figure.subplots()
    heights = np.column_stack([_heights(table[name]) for name in table.columns])
    good = table[metric].map(lambda value: goodness(metric, value)).rank(pct=True)
    for number, line in sorted(zip(table.index, heights, strict=True), key=lambda pair: good[pair[0]]):
        whole = ended.loc[number, "status"] == "finished"
        colour = colormaps["viridis_r"](0.05 + 0.95 * good[number])
        axes.plot(line, color=colour, lw=1.8 if whole else 0.9, ls="-" if whole else ":", alpha=0.9)
    for place, name in enumerate(table.columns):
        _axis(axes, place, table[name])
    axes.set_xticks(range(len(table.columns)), [_name(name) for name in table.columns], fontsize=9)
    axes.set(yticks=[], xlim=(-0.3, len(table.columns) - 0.4), ylim=(-0.06, 1.06))
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("dark is better; solid lines trained to their end, dotted ones were stopped before", fontsize=9)
    return figure


def _name(name: Any) -> str:
    return str(name).replace("_", "_\n", 1) if len(str(name)) > _SHOWN else str(name)


def _place_of(column: pd.Series) -> Callable[[Any], float]:
    """Where a value of a column stands, from 0 to 1."""
    kinds = sorted(column.unique(), key=None if _numeric(column) else str)
    if len(kinds) <= _FEW or not _numeric(column):
        return lambda value: kinds.index(value) / max(1, len(kinds) - 1) if len(kinds) > 1 else 0.5
    low, high = float(column.min()), float(column.max())
    return lambda value: (float(value) - low) / (high - low)


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _heights(column: pd.Series) -> NDArray[np.float64]:
    place_of = _place_of(column)
    return np.array([place_of(value) for value in column])


def _axis(axes: Axes, place: int, column: pd.Series) -> None:
    """A vertical line with the values beside it."""
    axes.plot([place, place], [0, 1], color="#444444", lw=0.8, zorder=0)
    values = list(column.unique())
    if len(values) > _FEW and _numeric(column):
        values = list(np.linspace(column.min(), column.max(), 5))
    place_of = _place_of(column)
    for value in values:
        label = f"{value:.3g}" if _numeric(column) else str(value)[:_SHOWN]
        axes.text(
            place + 0.04,
            place_of(value),
            label,
            fontsize=7.5,
            va="center",
            bbox={"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.6},
        )
