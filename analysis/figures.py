"""Pictures of a search. Each takes tidy frames and returns a matplotlib figure."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from analysis.loading import Found
from trainables.member import member_name
from trainables.scores import shown

COLOURS = {
    "finished": "#1b7837",
    "stopped": "#b8b8b8",
    "cut": "#dfa03c",
    "diverged": "#b2182b",
    "failed": "#b2182b",
    "best": "#08519c",
}
_PANELS_A_ROW = 4


def search_curves(found: Found) -> Figure:
    """Every trial's deciding number and accuracy against the epoch, rungs as dashed lines, the best trial in blue."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), shown(found.metric), strict=True):
        _curves(axes, found, metric)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _curves(axes: Axes, found: Found, metric: str) -> None:
    named: set[str] = set()
    for number, rows in found.epochs.groupby("trial"):
        kind = "best" if number == found.best else str(rows["status"].iloc[0])
        label = None if kind in named else f"best trial ({number:03d})" if kind == "best" else kind
        named.add(kind)
        on_top = 3 if kind == "best" else 2 if kind == "finished" else 1
        colour = COLOURS.get(kind, "#888888")
        axes.plot(
            rows["epoch"], rows[metric], color=colour, lw=2 if kind == "best" else 1.2, label=label, zorder=on_top
        )
        axes.plot(rows["epoch"].iloc[-1], rows[metric].iloc[-1], "o", color=colour, ms=4, zorder=on_top)
    for rung in found.about["rungs"]:
        axes.axvline(rung, color="#999999", lw=0.8, ls="--", zorder=0)
        axes.text(
            rung, 1.01, f"rung {rung}", transform=axes.get_xaxis_transform(), ha="center", fontsize=8, color="#666666"
        )
    axes.set(xlabel="epoch", ylabel=f"{metric}, fold 0")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def promoted_bars(summary: dict[str, Any]) -> Figure:
    """Cross-validated accuracy of each promoted member and of the ensemble, with one standard error."""
    names = [f"trial {member_name(row['trial'])}" for row in summary["promoted"]] + ["ensemble"]
    ensemble = summary["ensemble"]
    shares = [row["cv_accuracy"] for row in summary["promoted"]] + [ensemble["nested_accuracy"]]
    errors = [row["cv_se"] for row in summary["promoted"]] + [ensemble["nested_se"]]
    figure = Figure(figsize=(5, 0.6 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    colours = [COLOURS["finished"]] * (len(names) - 1) + [COLOURS["best"]]
    for place, (share, error, colour) in enumerate(zip(shares, errors, colours, strict=True)):
        axes.errorbar(share, place, xerr=error, fmt="o", color=colour, elinewidth=2, capsize=4)
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="out-of-fold accuracy on labels as given, ± 1 SE")
    axes.invert_yaxis()
    axes.margins(y=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def member_matrices(matrices: dict[str, Any]) -> Figure:
    """Two heat maps of two members or more: how their errors correlate, and how often they name different classes."""
    names = matrices["names"]
    size = 1.2 + 0.5 * len(names)
    figure = Figure(figsize=(2 * size + 1.6, size + 0.4), layout="constrained")
    titles = {"error_correlation": "correlation of errors", "disagreement": "different answers, %"}
    for axes, (which, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        _heat_map(
            axes, 100 * np.array(matrices[which]) if which == "disagreement" else np.array(matrices[which]), names
        )
        axes.set_title(title, fontsize=10)
    return figure


def _heat_map(axes: Axes, values: NDArray[np.float64], names: list[str]) -> None:
    """Darker is more; the diagonal, which says nothing, is left out of the colours."""
    off = values[~np.eye(len(values), dtype=bool)]
    shown = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    ends = np.arange(len(values) + 1) - 0.5
    axes.pcolormesh(
        ends,
        ends,
        np.ma.masked_invalid(shown),
        cmap="Blues",
        vmin=min(0.0, off.min()),
        vmax=1.25 * max(off.max(), 1e-9),
    )
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for (row, column), value in np.ndenumerate(values):
        if row != column:
            dark = value > 0.8 * off.max()
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if dark else "#1c2421"
            )
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90 if max(map(len, names)) > 4 else 0, fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.spines[:].set_visible(False)


def tta_curves(found: Found, metric: str) -> Figure:
    """What further views change for the promoted trials: the metric at each count, less the metric at one view."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    best = found.summary["best_trial"]["trial"]
    for number in dict.fromkeys(fold["trial"] for row in found.summary["promoted"] for fold in row["folds"]):
        curve = found.tta[found.tta["trial"] == number]
        if not len(curve):  # a budget cut it before it was scored at every count
            continue
        colour = COLOURS["best"] if number == best else COLOURS["finished"]
        change = curve[metric] - curve[metric].iloc[0]
        axes.plot(curve["tta_count"], change, "o-", color=colour, ms=4, label=f"trial {number:03d}")
    axes.axhline(0, color="#444444", lw=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="TTA count (views averaged)", ylabel=f"change in {metric}, fold 0")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def parameter_scatter(trials: pd.DataFrame, metric: str) -> Figure:
    """Each searched number against the metric where the trial ended; larger dots trained longer."""
    names = ["t1", "t2", "smoothing", "image_size", "batch_size", "tta_count", "learning_rate"]
    varying = [name for name in names if trials[name].nunique() > 1] or names[:1]
    rows = -(-len(varying) // _PANELS_A_ROW)
    figure = Figure(figsize=(10, 2.5 * rows + 0.4), layout="constrained")
    panels = list(figure.subplots(rows, _PANELS_A_ROW, sharey=True, squeeze=False).flat)
    for axes, name in zip(panels, varying, strict=False):
        _scatter(axes, trials.dropna(subset=[metric]), name, metric)
    for axes in panels[len(varying) :]:
        axes.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(labels)), frameon=False)
    return figure


def _scatter(axes: Axes, trials: pd.DataFrame, name: str, metric: str) -> None:
    for backbone, rows in trials.groupby("backbone"):
        axes.scatter(rows[name], rows[metric], s=12 + 6 * rows["epoch"], alpha=0.7, label=str(backbone))
    axes.set(xlabel=name, ylabel=metric)
    if name == "learning_rate":
        axes.set_xscale("log")
        # matplotlib's LogLocator falls back on evenly spaced ticks, which overlap, where there are few of these
        axes.xaxis.set_major_locator(FixedLocator([sub * 10.0**power for power in range(-8, 1) for sub in (1, 2, 5)]))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)


def to_svg(figure: Figure) -> str:
    """The figure as SVG text for a page, its text as outlines so that it needs no font."""
    content = io.StringIO()
    figure.savefig(content, format="svg")
    text = content.getvalue()
    return text[text.index("<svg") :]
