"""How steep measured points are, as a table and as a figure, which has what is measured in seconds or MB: a column says
so at the end of its name."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

UNITS = {"_s": "seconds", "_mb": "memory, MB"}

_MARKERS = "osD^vPX*<>hp"
_FEW_DECADES = 300
"""On an axis of fewer, 2 and 5 are told beside 1 and 10."""


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """p of values = c sizes^p, by least squares of the logarithms; NaN where fewer than two values are above 0."""
    x, y = np.asarray(sizes, float), np.asarray(values, float)
    there = y > 0
    if there.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[there]), np.log(y[there]), 1)[0])


def exponents(found: pd.DataFrame) -> pd.DataFrame:
    """Of every column, over all of its sizes and over the last two."""
    sizes = list(found.index)
    return pd.DataFrame(
        {
            what: {"exponent": exponent(sizes, list(values)), "last step": exponent(sizes[-2:], list(values)[-2:])}
            for what, values in found.items()
        }
    )


def as_table(found: pd.DataFrame) -> str:
    """Markdown: a row for what was measured, a column a size, and the exponents."""
    grown = exponents(found)
    lines = ["| | " + " | ".join(f"{size:,}" for size in found.index) + " | exponent | last step |"]
    lines.append("|---" * (len(found) + 3) + "|")
    for what, values in found.items():
        numbers = [_number(value) for value in values] + [_digits(value, ".2f") for value in grown[what]]
        lines.append(f"| {_title(str(what))} | " + " | ".join(numbers) + " |")
    return "\n".join(lines)


def _number(value: float) -> str:
    """Three digits of them, in full from 100 on."""
    return _digits(value, ",.0f" if abs(value) >= 100 else ".3g")


def _digits(value: float, form: str) -> str:
    """Nothing where nothing was measured."""
    return "" if math.isnan(value) else format(value, form)


def _title(what: str) -> str:
    """With its unit in words, as in `driver: folds, s`."""
    for unit in UNITS:
        if what.endswith(unit):
            return f"{what[: -len(unit)]}, {unit[1:].replace('mb', 'MB')}"
    return what


def growth_figure(found: pd.DataFrame, axis: str) -> Figure:
    """A panel for every unit, on logarithmic axes, with lines of slope 1 behind the points; exponents in the legend."""
    panels = {unit: [name for name in map(str, found) if name.endswith(unit)] for unit in UNITS}
    panels = {unit: names for unit, names in panels.items() if names}
    figure = Figure(figsize=(5.2 * len(panels) + 0.6, 4.0 + 0.1 * max(map(len, panels.values()))), layout="constrained")
    for axes, (unit, names) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        for place, name in enumerate(names):
            values = found[name][found[name] > 0]
            grown = _digits(exponent(list(values.index), list(values)), ".2f")
            label = f"{name[: -len(unit)]} ({grown or 'one point'})"
            axes.plot(values.index, values, f"-{_MARKERS[place % 12]}", ms=5, lw=1.3, label=label)
        axes.set(xscale="log", yscale="log", xlabel=axis, ylabel=UNITS[unit])
        _axes(axes, list(found.index))
        _legend(axes)
    return figure


def _legend(axes: Axes) -> None:
    """Below the axes, in two columns."""
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 2}
    axes.legend(title="(exponent)", fontsize=8, title_fontsize=8, frameon=False, **place)


def _axes(axes: Axes, sizes: list[int]) -> None:
    """Plain numbers; a decade or more of height; dashed lines of slope 1, a decade apart."""
    low, high = axes.get_ylim()
    wider = max(1.0, (10.0 * low / high) ** 0.5)
    low, high = low / wider, high * wider
    x = np.array([sizes[0], sizes[-1]], float)
    decades = range(int(np.floor(np.log10(low * x[0] / x[1]))), int(np.ceil(np.log10(high))) + 1)
    for place, decade in enumerate(decades):
        label = "slope 1" if place == 0 else None
        axes.plot(x, 10.0**decade * x / x[0], color="#bbbbbb", lw=0.9, ls="--", zorder=0, label=label)
    axes.set_ylim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < _FEW_DECADES else (1,), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
