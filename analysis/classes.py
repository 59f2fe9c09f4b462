"""The classes of a data set: how many images each has, by source, and in the answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import evidence
from analysis.figures import COLOURS


def class_counts(
    labels: NDArray[np.integer], classes: Sequence[str], sources: Sequence[str] | None = None
) -> pd.DataFrame:
    """One row a class: `label`, `class`, `images`, its `share`, and the images of each source under its name."""
    counts = np.bincount(labels, minlength=len(classes))
    table = pd.DataFrame({"label": range(len(classes)), "class": list(classes), "images": counts})
    table["share"] = counts / max(1, len(labels))
    if sources is not None:
        by_source = pd.crosstab(labels, np.array(sources, dtype=object))
        table = table.join(by_source.reindex(range(len(classes)), fill_value=0))
    return table


def answered(counts: pd.DataFrame, predictions: NDArray[np.integer]) -> pd.DataFrame:
    """The classes' shares beside those of the answers to the test images, each with its 95 % interval.

    `apart`: the training share lies outside. Answers favour common classes, so shares that differ do not yet say that
    the test images do.
    """
    answers = np.bincount(predictions, minlength=len(counts))
    intervals = [evidence.of_share(int(count), len(predictions)) for count in answers]
    table = counts[["class", "share"]].assign(
        answered=[each.value for each in intervals],
        low=[each.low for each in intervals],
        high=[each.high for each in intervals],
    )
    return table.assign(apart=~table["share"].between(table["low"], table["high"]))


def class_figure(counts: pd.DataFrame, sources: Sequence[str] = ()) -> Figure:
    """Images of each class, the sources on top of each other."""
    figure = Figure(figsize=(7, 0.9 + 0.32 * len(counts)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(counts))
    for place, name in enumerate(sources or ["images"]):
        values = counts[name].to_numpy()
        colour = COLOURS["best"] if place == 0 else f"C{place}"
        axes.barh(range(len(counts)), values, left=left, color=colour, label=name if sources else None)
        left += values
    for place, row in enumerate(counts.to_dict("records")):
        axes.text(left[place], place, f" {row['images']} ({row['share']:.1%})", va="center", fontsize=8)
    axes.set_yticks(range(len(counts)), [str(name)[:40] for name in counts["class"]], fontsize=8)
    axes.set(xlabel="images", xlim=(0, 1.18 * left.max()))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    if sources:
        figure.legend(loc="outside upper right", ncols=len(sources), frameon=False, fontsize=8)
    return figure
