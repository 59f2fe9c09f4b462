"""One picture of the study: what is found, and what each loss and way gain, by the share of flipped labels."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

COLOURS = {"uniform": "#08519c", "class-dependent": "#b2182b", "ambiguous": "#238b45"}
LOSS_COLOURS = {"cross-entropy": "#b8860b", "bi-tempered": "#08519c"}
MARKERS = {"none": "o", "drop": "v", "relabel": "s", "reweight": "D"}
PLAIN = ("cross-entropy", "none")


def denoise_figure(findings: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """The flags of both losses' nets, then a panel for each kind of flips with the gains beyond plain cross-entropy."""
    kinds = list(dict.fromkeys(scores["kind"]))
    figure = Figure(figsize=(4.2 * (1 + len(kinds)), 4.6), layout="constrained")
    first, *others = figure.subplots(1, 1 + len(kinds), squeeze=False).flat
    _flags(first, findings)
    for axes, kind in zip(others, kinds, strict=True):
        _gains(axes, scores[scores["kind"] == kind])
        axes.set_title(f"{kind} flips")
        axes.sharey(others[0])
    others[0].set_ylabel("true test accuracy beyond cross-entropy, as given")
    handles, labels = others[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _flags(axes: Axes, findings: pd.DataFrame) -> None:
    """Precision and recall: means over seeds and losses."""
    for kind, part in findings.groupby("kind", sort=False):
        means = part.groupby("share")[["precision", "recall"]].mean()
        colour = COLOURS[str(kind)]
        axes.plot(means.index, means["precision"], "--o", ms=5, color=colour, mfc="white", label=f"{kind}: precision")
        axes.plot(means.index, means["recall"], "-o", ms=5, color=colour, label=f"{kind}: recall")
    axes.set(ylim=(0, 1.02), title="flags", ylabel="precision, recall")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    _shares(axes)


def _gains(axes: Axes, scores: pd.DataFrame) -> None:
    """A line for each loss and way: means over seeds."""
    tests = scores.pivot_table(index="share", columns=["loss", "way"], values="test")
    axes.axhline(0, color="#999999", lw=1)
    for loss, way in dict.fromkeys(zip(scores["loss"], scores["way"], strict=True)):
        if (loss, way) != PLAIN and way in MARKERS:
            line = f"{':' if way == 'none' else '-'}{MARKERS[way]}"
            label = f"{loss}, {'as given' if way == 'none' else way}"
            gained = tests[(loss, way)] - tests[PLAIN]
            axes.plot(tests.index, gained, line, color=LOSS_COLOURS[loss], ms=5, lw=1.2, label=label)
    _shares(axes)


def _shares(axes: Axes) -> None:
    axes.set_xlabel("share of flipped labels")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.spines[["top", "right"]].set_visible(False)
