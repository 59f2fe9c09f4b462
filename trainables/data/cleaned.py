"""`--denoise`: training rows of one fold with suspicious labels dropped, relabelled, or weighed by how good they look.

Who says so of a row is the net of the same recipe that validated it, so no net is asked about a row that it trained on.
Each fold is judged by itself: thresholds and counts of confident learning come from its training rows alone. Its
validation labels are neither changed nor looked at here, and the fold is scored on them as they were given.

One way for validation labels to come in remains, at second hand. The net that judges a row of fold g was trained on
all other folds, fold f and its labels among them; what it learnt from their errors may decide which rows the net of
fold f is trained on, and that net is scored on those very labels. Only nets that saw neither g nor f would rule that
out, k (k - 1) / 2 further trainings for each promoted trial: ten where five folds are trained. It is not done. Instead
`benchmarks/denoise` measures it on known flips: how much oftener a net answers the wrong label of a validation image
after cleaning than before. A net that gained its score from the leak would; docs/label_noise.md has the numbers.

Rows that no fold validates (`--train-only`) have no such predictions and stay as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces.errors import InputError, shortened
from trainables import label_quality
from trainables.data.kaggle import ImageData

Rows = NDArray[np.int64]

_COLUMNS = ("image_id", "action", "label", "weight")


def cleaned_rows(kind: str, data: ImageData, rows: Rows, pred_probs: NDArray[np.floating]) -> pd.DataFrame:
    """What to change of a fold's training rows: `image_id,action,label,weight`, a row for each that is changed.

    `pred_probs` (N, K) are out of fold, NaN where a row has none. `label` is what trains after `relabel`, `weight` what
    a row's loss is multiplied by after `reweight`: the probability of its label, divided by their mean, so that the
    weights of a fold's training rows have mean 1 over an epoch.
    """
    judged = rows[np.isfinite(pred_probs[rows]).all(1)]
    probs, labels = pred_probs[judged], data.labels[judged]
    if kind == "reweight":
        scores = label_quality.quality(labels, probs)
        return _table(data, judged, kind, labels, scores / scores.mean())
    flagged = label_quality.suspicious(labels, probs)
    return _table(data, judged[flagged], kind, probs[flagged].argmax(1), np.full(int(flagged.sum()), np.nan))


def _table(
    data: ImageData, rows: Rows, kind: str, labels: NDArray[np.integer], weights: NDArray[np.float64]
) -> pd.DataFrame:
    ids = np.array(data.image_ids)[rows]
    return pd.DataFrame({"image_id": ids, "action": kind, "label": labels, "weight": weights}, columns=list(_COLUMNS))


def with_cleaned(data: ImageData, rows: Rows, kind: str, path: Path) -> tuple[ImageData, Rows]:
    """The data and a fold's training rows as a denoised recipe trains on them: changed as the table at `path` says.

    Only labels and shares of `rows`, the training rows, are changed. `InputError` where the table is not there, is of
    another way, or names an image that is none of them, as a validation image is.
    """
    if kind == "none":
        return data, rows
    table = _load(path, kind)
    row_of = {data.image_ids[row]: row for row in rows}
    others = [image_id for image_id in table["image_id"] if image_id not in row_of]
    if others:
        raise InputError(f"{path} must name training images of its fold only; it names:", shortened(others))
    changed = np.array([row_of[image_id] for image_id in table["image_id"]], dtype=np.int64)
    if kind == "drop":
        return data, np.setdiff1d(rows, changed)
    if kind == "relabel":
        return _relabelled(data, changed, table["label"].to_numpy(np.int64)), rows
    return _weighed(data, changed, table["weight"].to_numpy(np.float64)), rows


def _load(path: Path, kind: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype={"image_id": str}, keep_default_na=False, na_values={"weight": [""]})
    except (OSError, ValueError) as error:
        raise InputError(f"A recipe with denoise {kind!r} trains from {path}, which cannot be read: {error}") from None
    if tuple(table.columns) != _COLUMNS or set(table["action"]) - {kind}:
        raise InputError(f"{path} must have the columns {', '.join(_COLUMNS)} and the action {kind} only")
    return table


def _relabelled(data: ImageData, rows: Rows, labels: Rows) -> ImageData:
    given = data.labels.copy()
    given[rows] = labels
    if data.shares is None:
        return replace(data, labels=given)
    shares = data.shares.copy()
    shares[rows] = np.eye(len(data.classes), dtype=np.float32)[labels]
    return replace(data, labels=given, shares=shares)


def _weighed(data: ImageData, rows: Rows, weights: NDArray[np.float64]) -> ImageData:
    """Shares that sum to the row's weight, which is how every loss takes one (`losses.loss.Loss`)."""
    shares = np.eye(len(data.classes), dtype=np.float32)[data.labels] if data.shares is None else data.shares.copy()
    shares[rows] *= weights.astype(np.float32)[:, None]
    return replace(data, shares=shares)


def cleaned_hash(path: Path) -> str | None:
    """Of the table's content; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else None
