"""Suspicious labels of a search: `label_issues.csv`, worst first, and the worst as small pictures for the report.

By confident learning on the ensemble's out-of-fold probabilities: no net that speaks of an image was trained on it.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from trainables import label_quality
from trainables.data.kaggle import TRAIN_IMAGES, ImageData
from trainables.files import save_json, write_whole
from trainables.layout import SearchFolder

SHOWN = 24
"""Pictures in the report."""

_SIDE = 96
"""Their longer side at most, px: with JPEG a few kB each."""

_CLASSES_SHOWN = 10


def write_label_issues(search: SearchFolder, data: ImageData) -> dict[str, Any] | None:
    """Find them by oof.csv; writes label_issues.csv and its gallery, and returns what the report says of them.

    None where cleanlab is not installed.
    """
    if not label_quality.available():
        return None
    oof = pd.read_csv(search.oof, dtype={"image_id": str}, keep_default_na=False)
    labels = oof["label"].to_numpy(np.int64)
    probs = oof[[f"p{k}" for k in range(len(data.classes))]].to_numpy(np.float64)
    flagged = label_quality.suspicious(labels, probs)
    table = ranked_issues(oof["image_id"], labels, oof["fold"].to_numpy(np.int64), probs, flagged)
    if data.sources is not None:
        table["source"] = table["image_id"].map(dict(zip(data.image_ids, data.sources, strict=True)))
    write_whole(search.label_issues, table.to_csv(index=False))
    save_json(search.label_gallery, gallery(table.head(SHOWN), data))
    return {
        "count": len(table),
        "images": len(labels),
        "wrong_share": label_quality.wrong_share(labels, probs),
        "expected_right": label_quality.expected_right(labels, probs, flagged),
        "pairs": pairs(table, data.classes),
    }


def ranked_issues(
    image_ids: pd.Series,
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
    probs: NDArray[np.floating],
    flagged: NDArray[np.bool_],
) -> pd.DataFrame:
    """One row a flagged image, the least quality first: `image_id,fold,given,likely,quality,p_given,p_likely`."""
    rows = np.arange(len(labels))
    likely = probs.argmax(1)
    table = pd.DataFrame(
        {
            "image_id": image_ids.to_numpy(),
            "fold": folds,
            "given": labels,
            "likely": likely,
            "quality": label_quality.quality(labels, probs),
            "p_given": probs[rows, labels],
            "p_likely": probs[rows, likely],
        }
    )
    return table[flagged].sort_values("quality", kind="stable", ignore_index=True)


def pairs(table: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, Any]:
    """How many are given one class and likely of another, among the ten classes that occur most in the table."""
    seen = pd.concat([table["given"], table["likely"]]).value_counts()
    shown = sorted(int(k) for k in seen.index[:_CLASSES_SHOWN])
    counts = pd.crosstab(table["given"], table["likely"]).reindex(index=shown, columns=shown, fill_value=0)
    return {
        "classes": [classes[k] for k in shown],
        "counts": counts.to_numpy(np.int64).tolist(),
        "left_out": len(table) - int(counts.to_numpy().sum()),
    }


def gallery(table: pd.DataFrame, data: ImageData) -> list[dict[str, Any]]:
    """The rows of a table with the names of their classes and their pictures."""
    return [
        {
            "image_id": row["image_id"],
            "given": data.classes[row["given"]],
            "likely": data.classes[row["likely"]],
            "p_given": row["p_given"],
            "p_likely": row["p_likely"],
            "jpeg": _thumbnail(data, row["image_id"]),
        }
        for row in table.to_dict("records")
    ]


def _thumbnail(data: ImageData, image_id: Any) -> str:
    with Image.open(data.root / TRAIN_IMAGES / image_id) as image:
        small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=80)
    return base64.b64encode(content.getvalue()).decode()
