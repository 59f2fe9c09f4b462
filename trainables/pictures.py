"""Pictures of what nets say of labelled images, for TensorBoard and for notebooks. No torch, no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from trainables.scores import Labels, Probs, goods_by_image

_ACROSS, _DOWN = 6, 4
"""Images in the grid of the worst."""


def confusion(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: Sequence[str]) -> pd.DataFrame:
    """Images (K, K) by their label, down, and by the prediction, across."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return pd.DataFrame(counts, index=pd.Index(classes, name="label"), columns=pd.Index(classes, name="prediction"))


def confusion_figure(counts: pd.DataFrame, most_classes: int = 15, of: str = "the ensemble") -> Figure:
    """Shares of each label's images, as a heat map; the diagonal is recall and has no colour. `of` is who predicts."""
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
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8, parse_math=False)
    axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axes.set_xlabel(f"what {of} says, out of fold", fontsize=9)
    axes.set_ylabel("label as given", fontsize=9)
    axes.set_title("% of each label's images", fontsize=9)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    return figure


def worst_figure(
    metric: str, pred_probs: Probs, labels: Labels, paths: Sequence[Path], classes: Sequence[str]
) -> Figure:
    """The images that cost the metric most, the worst first, each with its label as given and the predicted one.

    `pred_probs` (N, K), `labels` (N,) and `paths` are of the same N images. `OSError` where one cannot be read.
    """
    order = np.argsort(goods_by_image(metric, pred_probs, labels), kind="stable")[: _ACROSS * _DOWN]
    captions = [
        f"given {classes[labels[row]][:18]} {pred_probs[row, labels[row]]:.2f}\n"
        f"said {classes[pred_probs[row].argmax()][:18]} {pred_probs[row].max():.2f}"
        for row in order
    ]
    images = [paths[row] for row in order]
    parts = [slice(start, start + _ACROSS) for start in range(0, len(order), _ACROSS)]
    title = f"the worst by {metric}, with the probabilities of both labels"
    return rows_of_images([(images[part], "" if part.start else title, captions[part]) for part in parts], side=1.35)


def rows_of_images(
    rows: Sequence[tuple[Sequence[Path | Image.Image], str, Sequence[str]]], side: float = 1.1
) -> Figure:
    """A row of images, by path or as they are, under each title, with a caption under each image, or none."""
    across = max([len(images) for images, _, _ in rows] or [1])
    captioned = any(captions for _, _, captions in rows)
    height = side * (1.55 if captioned else 1.25) * max(1, len(rows))
    figure = Figure(figsize=(max(4.0, side * across), height), layout="constrained")
    for part, (images, title, captions) in zip(_subfigures(figure, len(rows)), rows, strict=False):
        part.suptitle(title, fontsize=9, x=0.01, ha="left")
        for place, axes in enumerate(part.subplots(1, across, squeeze=False).flat):
            axes.set_axis_off()
            axes.set_anchor("N")
            if place < len(images):
                _show(axes, images[place])
                if captions:
                    below = axes.text(0.5, -0.05, captions[place], transform=axes.transAxes, ha="center", va="top")
                    below.set(fontsize=6.5, parse_math=False)
    return figure


def _subfigures(figure: Figure, count: int) -> list[Any]:
    return list(figure.subfigures(max(1, count), 1, squeeze=False).flat)


def _show(axes: Axes, image: Path | Image.Image) -> None:
    if isinstance(image, Path):
        with Image.open(image) as opened:
            opened.draft("RGB", (160, 160))
            image = opened.convert("RGB")
        image.thumbnail((160, 160))
    axes.imshow(np.asarray(image), interpolation="nearest" if max(image.size) < 48 else None)
