"""The images of a data folder as files and pixels: sizes, formats, mean and spread."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from analysis.figures import COLOURS
from trainables.data.kaggle import ImageData
from trainables.pictures import rows_of_images

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What most pretrained backbones subtract and divide by."""

_CHANNELS = ("red", "green", "blue")
_SIDE = 64
"""px: images are averaged at this size, which leaves their mean as it is and takes little of their spread."""

_THREADS = 4


def image_files(data: ImageData) -> pd.DataFrame:
    """One row a training image: `image_id`, `label`, `class`, `source`, `width` and `height` in px, `aspect`, `mode`,
    `format`, `bytes`. Headers alone are read."""
    with ThreadPoolExecutor(_THREADS) as pool:
        headers = list(pool.map(_header, data.train_paths))
    table = pd.DataFrame({"image_id": data.image_ids, "label": data.labels}).join(pd.DataFrame(headers))
    table.insert(2, "class", np.array(data.classes, dtype=object)[data.labels])
    if data.sources is not None:
        table.insert(3, "source", data.sources)
    return table.assign(aspect=table["width"] / table["height"])


def _header(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        return {
            "width": image.width,
            "height": image.height,
            "mode": image.mode,
            "format": image.format,
            "bytes": path.stat().st_size,
        }


def sizes(files: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """One row a size, the commonest first, and part where `by` names columns: `images` and their `share`."""
    counts = files.groupby([*by, "width", "height", "mode", "format"]).size().rename("images").reset_index()
    counts = counts.sort_values("images", ascending=False, ignore_index=True)
    return counts.assign(share=counts["images"] / len(files))


def pixel_statistics(data: ImageData, most: int = 400, seed: int = 0) -> pd.DataFrame:
    """One row an image of at most so many, drawn at random: its `class`, and `mean_` and `std_` of each channel, in
    [0, 1]."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(data.labels))[:most])
    with ThreadPoolExecutor(_THREADS) as pool:
        pixels = list(pool.map(_pixels, [data.train_paths[row] for row in rows]))
    columns: dict[str, Any] = {
        "image_id": [data.image_ids[row] for row in rows],
        "class": [data.classes[data.labels[row]] for row in rows],
    }
    if data.sources is not None:
        columns["source"] = [data.sources[row] for row in rows]
    for place, channel in enumerate(_CHANNELS):
        columns[f"mean_{channel}"] = [each[..., place].mean() for each in pixels]
        columns[f"std_{channel}"] = [each[..., place].std() for each in pixels]
    return pd.DataFrame(columns)


def _pixels(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as image:
        image.draft("RGB", (_SIDE, _SIDE))
        small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64) / 255


def normalisation(pixels: pd.DataFrame) -> pd.DataFrame:
    """One row a channel: `mean` over images with its `se`, the `std` over all pixels, and ImageNet's of both."""
    rows = []
    for place, channel in enumerate(_CHANNELS):
        means, spreads = pixels[f"mean_{channel}"], pixels[f"std_{channel}"]
        rows.append(
            {
                "channel": channel,
                "mean": means.mean(),
                "se": means.std(ddof=0) / np.sqrt(len(means)),
                "std": float(np.sqrt((spreads**2).mean() + means.var(ddof=0))),
                "imagenet_mean": IMAGENET_MEAN[place],
                "imagenet_std": IMAGENET_STD[place],
            }
        )
    return pd.DataFrame(rows)


def brightness_figure(pixels: pd.DataFrame, by: str = "class") -> Figure:
    """Mean brightness of the images by class or source. Classes that differ can be told by light alone."""
    grey = pixels[[f"mean_{channel}" for channel in _CHANNELS]].mean(axis=1)
    groups = [(str(name), own) for name, own in grey.groupby(pixels[by])]
    figure = Figure(figsize=(7, 1 + 0.32 * len(groups)), layout="constrained")
    axes = figure.subplots()
    axes.boxplot([own for _, own in groups], orientation="horizontal", widths=0.6, showfliers=False)
    axes.set_yticks(range(1, len(groups) + 1), [f"{name[:32]} ({len(own)})" for name, own in groups], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("mean of an image's pixels, 0 black to 1 white")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def samples_figure(data: ImageData, per_class: int = 6, seed: int = 0, most_classes: int = 12) -> Figure:
    """A row a class, with so many of its images, drawn at random."""
    rng = np.random.default_rng(seed)
    names = list(range(len(data.classes)))[:most_classes]
    paths = data.train_paths
    rows = [rng.permutation(np.flatnonzero(data.labels == k))[:per_class] for k in names]
    titles = [f"{data.classes[k][:40]} ({int((data.labels == k).sum())} images)" for k in names]
    return rows_of_images([([paths[row] for row in own], title, []) for own, title in zip(rows, titles, strict=True)])


def sizes_figure(files: pd.DataFrame) -> Figure:
    """Widths against heights, larger dots for more images."""
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    counts = files.groupby(["width", "height"]).size().reset_index(name="images")
    area = 20 + 280 * counts["images"] / counts["images"].max()
    axes.scatter(counts["width"], counts["height"], s=area, color=COLOURS["best"], alpha=0.6)
    axes.set(xlabel="width, px", ylabel="height, px")
    axes.set_title(f"{len(counts)} different size{'s' * (len(counts) != 1)} of {len(files)} images", fontsize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(0.2)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
