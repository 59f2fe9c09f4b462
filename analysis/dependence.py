"""How the score depends on a parameter, or on two, the others being what they were in the trials (partial dependence;
Friedman, Annals of Statistics 29, 2001), with standard errors.

Of a forest's prediction, averaged over the trials, at each value of a grid, less its mean over the grid. The standard
error is over forests, each fitted on a bootstrap sample of the trials. A forest pulls effects towards zero, which no
standard error shows: read the shape, and not the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from analysis.evidence import FEWEST_TRIALS, too_few
from analysis.figures import COLOURS
from analysis.forest import Array, Coded, coded, fitted
from analysis.importance import Importance
from trainables.comparison import TIED_WITHIN

_FORESTS = 30
_POINTS, _CELLS = 12, 7
_PANELS_A_ROW = 4


@dataclass(frozen=True, eq=False)
class Dependence:
    """Forests on bootstrap samples of the trials that have a score."""

    trials: Coded
    forests: list[object]

    @property
    def names(self) -> tuple[str, ...]:
        return self.trials.names

    def of(self, name: str) -> pd.DataFrame:
        """One row a value of the grid: `value`, `effect` in the score's units, its `se`, and `trials` nearest to it."""
        column = self.trials.values[:, self.names.index(name)]
        grid = _grid(column, _POINTS)
        effect, se = self._effects([name], [(value,) for value in grid])
        shown = self.trials.kinds.get(name)
        values = [shown[int(value)] for value in grid] if shown else list(grid)
        return pd.DataFrame({"value": values, "effect": effect, "se": se, "trials": _near(column, grid)})

    def of_two(self, one: str, other: str) -> pd.DataFrame:
        """One row a cell, of two numbers: their values under their names, `effect`, `se`, `trials` nearest to it."""
        columns = [self.trials.values[:, self.names.index(name)] for name in (one, other)]
        grids = [_grid(column, _CELLS) for column in columns]
        cells = [(a, b) for a in grids[0] for b in grids[1]]
        effect, se = self._effects([one, other], cells)
        nearest = [np.abs(column[:, None] - grid).argmin(1) for column, grid in zip(columns, grids, strict=True)]
        counts = np.bincount(nearest[0] * len(grids[1]) + nearest[1], minlength=len(cells))
        return pd.DataFrame(cells, columns=[one, other]).assign(effect=effect, se=se, trials=counts)

    def _effects(self, names: Sequence[str], points: Sequence[tuple[float, ...]]) -> tuple[Array, Array]:
        """At each point, mean and standard deviation over the forests."""
        columns = [self.names.index(name) for name in names]
        changed = np.tile(self.trials.values, (len(points), 1))
        changed[:, columns] = np.repeat(np.array(points), len(self.trials.values), axis=0)
        curves = np.array([f.predict(changed).reshape(len(points), -1).mean(1) for f in self.forests])  # type: ignore[attr-defined]
        curves -= curves.mean(1, keepdims=True)
        return curves.mean(0), curves.std(0, ddof=1)


def dependence(searched: pd.DataFrame, scores: pd.Series, seed: int = 0) -> Dependence | None:
    """As `analysis.importance.importance` takes them; None of fewer than twelve trials."""
    scores = scores.reindex(searched.index).dropna()
    searched = searched.loc[scores.index]
    searched = searched.loc[:, searched.nunique() > 1]
    if len(scores) < FEWEST_TRIALS or searched.empty:
        return None
    trials, rng = coded(searched), np.random.default_rng(seed)
    samples = [rng.integers(0, len(scores), len(scores)) for _ in range(_FORESTS)]
    each = scores.to_numpy(np.float64)
    return Dependence(trials, [fitted(trials.values[s], each[s], seed + at) for at, s in enumerate(samples)])


def _grid(column: Array, points: int) -> Array:
    """The values themselves where they are few, else even steps between the ends."""
    values = np.unique(column)
    return values if len(values) <= points else np.linspace(values[0], values[-1], points)


def _near(column: Array, grid: Array) -> NDArray[np.intp]:
    return np.bincount(np.abs(column[:, None] - grid).argmin(1), minlength=len(grid))


def dependence_figure(found: Dependence, mattered: Importance, metric: str) -> Figure:
    """A panel a parameter, ± one standard error; grey where the evidence does not say that it mattered."""
    order = [name for name in mattered.table["parameter"] if name in found.names]
    rows = -(-len(order) // _PANELS_A_ROW)
    figure = Figure(figsize=(10, 2.5 * rows + 0.2), layout="constrained")
    panels = list(figure.subplots(rows, _PANELS_A_ROW, sharey=True, squeeze=False).flat)
    for axes, name in zip(panels, order, strict=False):
        _panel(axes, found.of(name), name, mattered.enough(name))
    for axes in panels[len(order) :]:
        axes.remove()
    for axes in panels[: len(order) : _PANELS_A_ROW]:
        axes.set_ylabel(f"effect on {metric}")
    return figure


def _panel(axes: Axes, curve: pd.DataFrame, name: str, enough: bool) -> None:
    colour = COLOURS["best"] if enough else "#888888"
    text = not pd.api.types.is_numeric_dtype(curve["value"])
    places = range(len(curve)) if text else curve["value"]
    axes.errorbar(places, curve["effect"], yerr=curve["se"], fmt="o-", ms=3, color=colour, elinewidth=1)
    axes.axhline(0, color="#444444", lw=0.6)
    if text:
        axes.set_xticks(
            list(places), [str(value)[:14] for value in curve["value"]], rotation=30, ha="right", fontsize=8
        )
    elif len(curve) <= 5:
        axes.set_xticks(curve["value"], [f"{value:g}" for value in curve["value"]])
    axes.set_title(name if enough else f"{name}\ntoo little evidence", fontsize=9, color=colour)
    axes.spines[["top", "right"]].set_visible(False)


def two_figure(cells: pd.DataFrame, mattered: Importance, metric: str, best_is_low: bool = True) -> Figure:
    """Heat maps of `Dependence.of_two`: the effect, and its standard error. Blue is better.

    Colours reach as far as errors do, so that effects within them are pale. Hatched cells have no trial of their own:
    what stands there is drawn from their neighbours.
    """
    one, other = cells.columns[:2]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    most = max(float(cells["effect"].abs().max()), TIED_WITHIN * float(cells["se"].max()), 1e-9)
    left, right = figure.subplots(1, 2, sharey=True)
    _heat_map(left, cells, "effect", "RdBu_r" if best_is_low else "RdBu", (-most, most), f"effect on {metric}")
    _heat_map(right, cells, "se", "Greys", (0, 1.4 * max(float(cells["se"].max()), 1e-9)), "its standard error")
    enough = mattered.enough(f"{one} x {other}")
    figure.suptitle(two_verdict(cells, enough), fontsize=10, color="black" if enough else "#b2182b")
    return figure


def _heat_map(axes: Axes, cells: pd.DataFrame, what: str, colours: str, ends: tuple[float, float], title: str) -> None:
    one, other = cells.columns[:2]
    table, counts = (cells.pivot_table(index=one, columns=other, values=name) for name in (what, "trials"))
    edges = np.arange(len(table.columns) + 1) - 0.5, np.arange(len(table) + 1) - 0.5
    axes.pcolormesh(*edges, table.to_numpy(), cmap=colours, vmin=ends[0], vmax=ends[1])
    for row, column in np.argwhere(counts.to_numpy() == 0):
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, hatch="////", edgecolor="#00000040", lw=0))
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        dark = abs(value) > 0.6 * ends[1]
        axes.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axes.set_xticks(range(len(table.columns)), [f"{value:.3g}" for value in table.columns], fontsize=8)
    axes.set_yticks(range(len(table)), [f"{value:.3g}" for value in table.index], fontsize=8)
    axes.set(xlabel=other, ylabel=one)
    axes.set_title(title, fontsize=10)


def two_verdict(cells: pd.DataFrame, enough: bool) -> str:
    """What the heat map may be read for."""
    one, other = cells.columns[:2]
    beyond = int((cells["effect"].abs() > TIED_WITHIN * cells["se"]).sum())
    if not enough:
        return f"Too little evidence that {one} and {other} mattered at all: take no cell for better than another."
    return (
        f"{one} and {other} mattered; {beyond} of {len(cells)} cells are more than {TIED_WITHIN} errors from the mean."
    )


def why_none(searched: pd.DataFrame, names: Sequence[str], scores: pd.Series) -> str:
    """The sentence for where a dependence on two parameters cannot be drawn."""
    constant = [name for name in names if name not in searched]
    if constant:
        return f"Not searched: {', '.join(constant)} had one value in every trial."
    return too_few(int(scores.reindex(searched.index).notna().sum()))
