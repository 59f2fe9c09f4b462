"""Pictures of a search. Each takes tidy frames and returns a matplotlib figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from analysis.loading import Found
from trainables.member import member_name
from trainables.scores import shown

COLOURS = {
    "finished": "#1b7837",
    "stopped": "#b8b8b8",
    "cut": "#dfa03c",
    "slow": "#dfa03c",
    "diverged": "#b2182b",
    "failed": "#b2182b",
    "best": "#08519c",
}
SERIES = tuple(f"C{place}" for place in range(10))
"""Colours of things that are many and alike, as backbones are."""

MATRICES = {"error_correlation": "correlation of errors", "disagreement": "different answers, %"}

_MARKERS = "osD^vPX*<>"
_PANELS_A_ROW = 4


def search_curves(found: Found) -> Figure:
    """`search_curve` of the number that decides and of accuracy, side by side."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), shown(found.metric), strict=True):
        _curves(axes, found, metric)
    _legend_below(figure, ncols=4)
    return figure


def search_curve(found: Found, metric: str) -> Figure:
    """Every trial's metric against the epoch, rungs as dashed lines, the best trial in blue."""
    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    _curves(figure.subplots(), found, metric)
    _legend_below(figure, ncols=3)
    return figure


def _legend_below(figure: Figure, ncols: int) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols, frameon=False)


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


def accuracies(summary: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Name, out-of-fold accuracy and its standard error of the promoted and the denoised, and of the ensemble, last."""
    rows = [
        (f"trial {member_name(row['trial'])}", row["cv_accuracy"], row["cv_se"])
        for row in (*summary["promoted"], *summary["denoised"])
    ]
    return [*rows, ("ensemble", summary["ensemble"]["nested_accuracy"], summary["ensemble"]["nested_se"])]


def promoted_bars(summary: dict[str, Any]) -> Figure:
    """Cross-validated accuracy of all that the ensemble was chosen from, and its own, with one standard error."""
    rows = accuracies(summary)
    figure = Figure(figsize=(5, 0.6 + 0.45 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, (name, share, error) in enumerate(rows):
        colour = COLOURS["best" if name == "ensemble" else "finished"]
        axes.errorbar(100 * share, place, xerr=100 * error, fmt="o", color=colour, elinewidth=2, capsize=4)
    axes.set(yticks=range(len(rows)), yticklabels=[name for name, *_ in rows], xlabel="out-of-fold accuracy, %, ± 1 SE")
    axes.invert_yaxis()
    axes.margins(y=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def member_matrices(matrices: dict[str, Any]) -> Figure:
    """`member_matrix` of both kinds side by side: how members' errors correlate, and how often they differ."""
    size = 1.2 + 0.5 * len(matrices["names"])
    figure = Figure(figsize=(2 * size + 1.6, size + 0.4), layout="constrained")
    for axes, which in zip(figure.subplots(1, 2), MATRICES, strict=True):
        _heat_map(axes, matrices, which)
    return figure


def member_matrix(matrices: dict[str, Any], which: str) -> Figure:
    """A heat map of two members or more; `which` is one of `MATRICES`."""
    size = 1.2 + 0.5 * len(matrices["names"])
    figure = Figure(figsize=(size + 0.8, size + 0.4), layout="constrained")
    _heat_map(figure.subplots(), matrices, which)
    return figure


def _heat_map(axes: Axes, matrices: dict[str, Any], which: str) -> None:
    """Darker is more; the diagonal, which says nothing, is left out of the colours."""
    names, values = matrices["names"], np.array(matrices[which]) * (100 if which == "disagreement" else 1)
    off = values[~np.eye(len(values), dtype=bool)]
    colours = np.ma.masked_invalid(np.where(np.eye(len(values), dtype=bool), np.nan, values))
    ends = np.arange(len(values) + 1) - 0.5
    axes.pcolormesh(ends, ends, colours, cmap="Blues", vmin=min(0.0, off.min()), vmax=1.25 * max(off.max(), 1e-9))
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for (row, column), value in np.ndenumerate(values):
        if row != column:
            ink = "white" if value > 0.8 * off.max() else "#1c2421"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 4 else 0, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title(MATRICES[which], fontsize=10)


def answering(summary: dict[str, Any]) -> list[int]:
    """The trials that answer in some fold of the promoted, by number."""
    return list(dict.fromkeys(fold["trial"] for row in summary["promoted"] for fold in row["folds"]))


def tta_curves(found: Found, metric: str) -> Figure:
    """What further views change for the promoted trials: the metric at each count, less the metric at one view."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    best = found.summary["best_trial"]["trial"]
    for number in answering(found.summary):
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
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    return figure


def varying(trials: pd.DataFrame) -> list[str]:
    """The numbers of a recipe that were searched; one of them even where none was."""
    names = ["t1", "t2", "smoothing", "image_size", "batch_size", "tta_count", "learning_rate"]
    return [name for name in names if trials[name].nunique() > 1] or names[:1]


def parameter_scatter(trials: pd.DataFrame, metric: str) -> Figure:
    """Each searched number against the metric where the trial ended; larger dots trained longer."""
    names = varying(trials)
    rows = -(-len(names) // _PANELS_A_ROW)
    figure = Figure(figsize=(10, 2.5 * rows + 0.4), layout="constrained")
    panels = list(figure.subplots(rows, _PANELS_A_ROW, sharey=True, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        _scatter(axes, trials, name, metric)
    for axes in panels[len(names) :]:
        axes.remove()
    _legend_below(figure, ncols=_PANELS_A_ROW)
    return figure


def parameter_panel(trials: pd.DataFrame, name: str, metric: str) -> Figure:
    """One searched number of `parameter_scatter` for itself; `backbone_key` says whose dots are which."""
    figure = Figure(figsize=(3.2, 2.6), layout="constrained")
    _scatter(figure.subplots(), trials, name, metric)
    return figure


def backbone_key(trials: pd.DataFrame) -> Figure:
    """The markers of the backbones, by name."""
    names = sorted(trials["backbone"].unique())
    figure = Figure(figsize=(3.2, 0.3 + 0.24 * len(names)), layout="constrained")
    dots = [
        Line2D([], [], ls="", marker=_marker(place), color=_colour(place), label=name)
        for place, name in enumerate(names)
    ]
    figure.legend(handles=dots, loc="center left", frameon=False)
    return figure


def _marker(place: int) -> str:
    return _MARKERS[place % len(_MARKERS)]


def _colour(place: int) -> str:
    return SERIES[place % len(SERIES)]


def _scatter(axes: Axes, trials: pd.DataFrame, name: str, metric: str) -> None:
    for place, (backbone, rows) in enumerate(trials.groupby("backbone")):
        size = 12 + 6 * rows["epoch"]
        axes.scatter(
            rows[name], rows[metric], s=size, alpha=0.7, label=backbone, marker=_marker(place), color=_colour(place)
        )
    axes.set(xlabel=name, ylabel=metric)
    if name == "learning_rate":
        axes.set_xscale("log")
        # matplotlib's LogLocator falls back on evenly spaced ticks, which overlap, where there are few of these
        subs = (1, 2, 5) if trials[name].max() < 12 * trials[name].min() else (1,)
        axes.xaxis.set_major_locator(FixedLocator([sub * 10.0**power for power in range(-8, 1) for sub in subs]))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
