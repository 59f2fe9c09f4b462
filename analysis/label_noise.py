"""What the labels' noise looks like: between which classes, how much, and what duplicates say of it.

Two witnesses. Nets that did not see an image name another class than its label; confident learning (arXiv 1911.00068)
estimates from that how many labels of each class are wrong. And one photograph that was labelled twice, two ways, has
one wrong label whatever any net thinks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis import evidence
from trainables.label_quality import joint

Probs = NDArray[np.float64]


def confusion(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: Sequence[str]) -> pd.DataFrame:
    """Images (K, K) by their label, down, and by the prediction, across."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return pd.DataFrame(counts, index=pd.Index(classes, name="label"), columns=pd.Index(classes, name="prediction"))


def noise_by_class(labels: NDArray[np.integer], pred_probs: Probs, classes: Sequence[str]) -> pd.DataFrame:
    """One row a class of the labels as given: `images`, the `wrong` share of them by the estimated joint of given and
    true labels, and the class that the wrong ones are most `likely` of, with `its_share` of the images."""
    shares = joint(labels, pred_probs)
    given = shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)
    off = given - np.diag(np.diag(given))
    return pd.DataFrame(
        {
            "class": list(classes),
            "images": np.bincount(labels, minlength=len(classes)),
            "wrong": off.sum(1),
            "likely": [classes[k] if off[at].any() else "–" for at, k in enumerate(off.argmax(1))],
            "its_share": off.max(1),
        }
    )


def duplicate_groups(images: pd.DataFrame) -> pd.DataFrame:
    """One row a group of duplicates, of `Found.images`: `group`, `images`, their `labels`, and whether they `agree`."""
    grouped = images.dropna(subset=["group"]).groupby("group")
    table = grouped.agg(images=("image_id", "size"), labels=("class", lambda names: ", ".join(sorted(set(names)))))
    table["agree"] = grouped["label"].nunique() == 1
    return table.reset_index().sort_values(["agree", "images"], ascending=[True, False], ignore_index=True)


def duplicates_verdict(groups: pd.DataFrame) -> str:
    """What pairs of duplicates say of the noise, where there are any.

    Where a share e of the labels is wrong, independently, about 2 e of the pairs disagree.
    """
    if groups.empty:
        return "There are no duplicates, so they say nothing of the labels."
    pairs = groups[groups["images"] == 2]
    apart = int((~pairs["agree"]).sum())
    told = f"{len(groups)} groups of duplicates, {len(pairs)} of them pairs, of which {apart} have two labels."
    if len(pairs) < evidence.FEWEST_TRIALS:
        return f"{told} Too little evidence: of so few pairs nothing is said of the noise."
    share = evidence.of_share(apart, len(pairs))
    wrong = [(1 - np.sqrt(max(0.0, 1 - 2 * value))) / 2 for value in (share.value, share.low, share.high)]
    interval = f"{wrong[1]:.1%} to {wrong[2]:.1%}"
    return f"{told} If their labels are as good as all others, {wrong[0]:.1%} of labels are wrong (95 % {interval})."


def confusion_figure(counts: pd.DataFrame, most_classes: int = 15) -> Figure:
    """Shares of each label's images, as a heat map; the diagonal is recall and has no colour."""
    kept = counts.sum(axis=1).sort_values(ascending=False).index[:most_classes]
    table = counts.loc[[name for name in counts.index if name in kept], [n for n in counts.columns if n in kept]]
    shares = (table.div(counts.sum(axis=1).reindex(table.index).clip(lower=1), axis=0)).to_numpy()
    names = [str(name)[:22] for name in table.index]
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
    axes.set(xlabel="what the ensemble says, out of fold", ylabel="label as given")
    axes.set_title("% of each label's images", fontsize=9)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    return figure
