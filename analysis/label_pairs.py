"""Suspicious labels by the pair of classes that they confuse, with their images."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from analysis import evidence
from analysis.loading import ENSEMBLE, Found
from search_spaces.errors import InputError
from trainables import label_quality
from trainables.data.kaggle import TRAIN_IMAGES
from trainables.files import load_json
from trainables.pictures import rows_of_images

Picture = Callable[[str], "Path | Image.Image | None"]
"""The image of an id; None where it is not at hand."""


def common_pairs(found: Found, most: int = 6) -> pd.DataFrame:
    """One row a pair of classes, the commonest first: `given`, `likely`, how many labels are `suspicious`, of how many
    `images` that are given that class; and `expected_right`, the share of them that are right as they stand, by the
    ensemble's own account."""
    issues, images = found.label_issues, found.images
    names = found.about["classes"]
    labels, probs = images["label"].to_numpy(np.int64), found.pred_probs[ENSEMBLE]
    rows = []
    for (given, likely), own in issues.groupby(["given", "likely"]):
        flagged = images["image_id"].isin(own["image_id"]).to_numpy()
        rows.append(
            {
                "given": names[given],
                "likely": names[likely],
                "suspicious": len(own),
                "images": int((labels == given).sum()),
                "expected_right": label_quality.expected_right(labels, probs, flagged),
            }
        )
    columns = ["given", "likely", "suspicious", "images", "expected_right"]
    table = pd.DataFrame(rows, columns=columns).sort_values("suspicious", ascending=False, kind="stable")
    return table.head(most).reset_index(drop=True)


def by_part(found: Found, part: str) -> pd.DataFrame:
    """One row a `fold`, `class` or `source`: its `images`, how many labels are `suspicious`, and their `share`.

    With its 95 % interval: a part whose interval is above the others' is noisier, or harder, or other than the rest.
    """
    images = found.images
    flagged = images["image_id"].isin(found.label_issues["image_id"])
    table = flagged.groupby(images[part]).agg(["size", "sum"])
    table.columns = ["images", "suspicious"]
    shares = [evidence.of_share(int(hits), int(count)) for count, hits in table.to_numpy()]
    table = table.assign(share=[each.value for each in shares])
    return table.assign(low=[each.low for each in shares], high=[each.high for each in shares]).reset_index()


def pictures(found: Found) -> Picture:
    """From the data folder, or, where that is elsewhere, the small pictures that OUT has of the worst labels."""
    try:
        folder = found.data.root / TRAIN_IMAGES
        return lambda image_id: folder / image_id if (folder / image_id).exists() else None
    except InputError:
        kept = {row["image_id"]: row["jpeg"] for row in load_json(found.search.label_gallery)}
        return lambda image_id: Image.open(io.BytesIO(base64.b64decode(kept[image_id]))) if image_id in kept else None


def pair_figure(found: Found, given: str, likely: str, most: int = 8) -> Figure | None:
    """The worst labels of a pair, worst first, each with the probabilities of both classes; None where there is no
    picture."""
    return _figure(found, [(given, likely)], most)


def pairs_figure(found: Found, pairs: pd.DataFrame, most: int = 8) -> Figure | None:
    """`pair_figure` of each row of `common_pairs`, below each other."""
    return _figure(found, list(zip(pairs["given"], pairs["likely"], strict=True)), most)


def _figure(found: Found, pairs: Sequence[tuple[str, str]], most: int) -> Figure | None:
    names, picture = list(found.about["classes"]), pictures(found)
    rows = []
    for given, likely in pairs:
        issues = found.label_issues
        own = issues[(issues["given"] == names.index(given)) & (issues["likely"] == names.index(likely))]
        shown = [(row, image) for row in own.to_dict("records") if (image := picture(row["image_id"])) is not None]
        captions = [
            f"{row['image_id'][:16]}\ngiven {row['p_given']:.2f}, likely {row['p_likely']:.2f}" for row, _ in shown
        ]
        if shown:
            title = f"given {given}, likely {likely} ({len(own)} suspicious)"
            rows.append(([image for _, image in shown[:most]], title, captions[:most]))
    return rows_of_images(rows, side=1.35) if rows else None


def duplicates_figure(found: Found, most: int = 6) -> Figure | None:
    """Duplicates that have two labels, a row a group: one of the labels is wrong. None where there are none."""
    images = found.images.dropna(subset=["group"])
    apart = images.groupby("group").filter(lambda own: own["label"].nunique() > 1)
    picture, rows = pictures(found), []
    for group, own in list(apart.groupby("group"))[:most]:
        shown = [(row, image) for row in own.to_dict("records") if (image := picture(row["image_id"])) is not None]
        if shown:
            captions = [f"{row['image_id'][:16]}\n{row['class'][:18]}" for row, _ in shown]
            rows.append(([image for _, image in shown[:6]], f"group {group}", captions[:6]))
    return rows_of_images(rows, side=1.35) if rows else None
