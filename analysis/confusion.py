"""Which classes are taken for which: labels as given against what the ensemble says out of fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray


def confusion(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: Sequence[str]) -> pd.DataFrame:
    """Images (K, K) by their label, down, and by the prediction, across."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return pd.DataFrame(counts, index=pd.Index(classes, name="label"), columns=pd.Index(classes, name="prediction"))


def confusion_figure(counts: pd.DataFrame, most_classes: int = 15) -> Figure:
    """Shares of each label's images, as a heat map; the diagonal is recall and has no colour."""
    kept = counts.sum(axis=1).sort_values(ascending=False).index[:most_classes]
    table = counts.loc[[name for name in counts.index if name in kept], [n for n in counts.columns if n in kept]]
    shares = (table.div(counts.sum(axis=1).reindex(table.index).clip(lower=1), axis=0)).to_numpy()
    names = [str(name)[:30] for name in table.index]
    size = 2.2 + 0.48 * len(names)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    off = np.where(np.eye(len(names), dtype=bool), np.nan, shares)
    top = max(float(np.nanmax(off)), 1e-9) if len(names) > 1 else 1.0
    edges = np.arange(len(names) + 1) - 0.5
    axes.pcolormesh(edges, edges, np.ma.masked_invalid(off), cmap="Reds", vmin=0, vmax=1.3 * top)
    for (row, column), share in np.ndenumerate(shares):
        if table.iloc[row, column]:
            text = f"{100 * share:.0f}" if share >= 0.0095 else "<1"
            dark = row != column and share > 0.8 * top
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("what the ensemble says, out of fold", fontsize=9)
    axes.set_ylabel("label as given", fontsize=9)
    axes.set_title("% of each label's images", fontsize=9)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    return figure
