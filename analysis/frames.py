"""The tidy frames of a search that are more than a file read: rungs, epochs of all folds, out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces.recipe import FIELDS
from trainables.data.folds import Folds
from trainables.files import load_array
from trainables.layout import SearchFolder
from trainables.member import Member, Stored, check_fold_hashes
from trainables.scores import by_image, hits
from trainables.trial import load_epochs
from trainables.view_means import MEANS, fold_answer, mean_of_search

Probs = NDArray[np.float64]

RATE_FACTOR = "learning_rate_factor"
"""The learning rate, over what the linear-scaling rule of the space gives the batch size: what was searched of it."""


def rung_frame(rungs: Mapping[str, Any], trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a rung and trial that reached it: `rung`, `trial`, `value` there, `goes_on`, and `end`.

    `end` is the metric after the trial's last epoch, NaN unless it trained all of them. Values as the metric stands.
    """
    ends = trials[trials["status"] == "finished"].set_index("trial")[metric] if metric in trials else pd.Series([])
    rows = [
        {"rung": int(rung), "trial": int(trial), "value": value, "goes_on": rungs["stopped"].get(trial) != int(rung)}
        for rung, values in rungs["values"].items()
        for trial, value in values.items()
    ]
    frame = pd.DataFrame(rows, columns=["rung", "trial", "value", "goes_on"])
    return frame.assign(end=frame["trial"].map(ends).astype(float)).sort_values(["rung", "trial"], ignore_index=True)


def searched_frame(trials: pd.DataFrame, ranges: Mapping[str, Any]) -> pd.DataFrame:
    """The fields of the recipes that differ between trials, indexed by trial: what was searched.

    A learning rate that a linear-scaling rule ties to the batch size is told by its factor, `learning_rate_factor`.
    """
    fields = [name for name in FIELDS if name in trials and name != "seed" and trials[name].nunique() > 1]
    frame = trials.set_index("trial")[fields]
    rule = ranges.get("learning_rate", {})
    if "learning_rate" in frame and "base" in rule:
        batch = trials.set_index("trial")["batch_size"]
        factor = frame["learning_rate"] / (rule["base"] * batch / rule["per"])
        frame = frame.drop(columns="learning_rate").assign(**{RATE_FACTOR: factor.round(4)})
    return frame


def fold_epoch_frame(search: SearchFolder, left_at: Mapping[int, int], folds: int) -> pd.DataFrame:
    """One row a trial, fold and epoch: what `metrics.csv` has, and the `stage`, `search` or `promotion`.

    `left_at` has the trials, and the epoch on fold 0 at which the search left each.
    """
    parts = []
    for number, epoch in left_at.items():
        for fold in range(folds):
            rows = load_epochs(search.trial(number).fold(fold))
            if len(rows):
                of_search = (rows["epoch"] <= epoch) & (fold == 0)
                parts.append(rows.assign(trial=number, fold=fold, stage=np.where(of_search, "search", "promotion")))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def member_probs(search: SearchFolder, member: Stored, folds: Folds) -> Probs:
    """Out-of-fold probabilities (n, K) of the validated rows, by any trial that was judged, or by other ones by fold.

    As the search's answer averages views, where it has each. NaN in the folds that were not trained.
    """
    answering, mean, parts = Member.of(member, folds.count), mean_of_search(search), {}
    check_fold_hashes(search, answering, folds)
    for number, fold in answering.pairs:
        own = search.trial(number).fold(fold)
        if mean != MEANS[0] and own.view_probs.exists():
            parts[fold] = fold_answer(search, number, fold, mean)
        elif own.pred_probs.exists():
            parts[fold] = load_array(own.pred_probs)
    classes = next(iter(parts.values())).shape[1]
    lacking = {fold: np.full((len(folds.split(fold)[1]), classes), np.nan) for fold in range(folds.count)}
    return folds.placed([(lacking | parts)[fold] for fold in range(folds.count)])[folds.validated]


def prediction_frame(
    images: pd.DataFrame, probs: Mapping[str, Probs], metric: str, columns: Sequence[str] = ("source",)
) -> pd.DataFrame:
    """One row an image and model: `model`, `image_id`, `fold`, `label`, `prediction`, `right`, `p_label`, the metric.

    `images` has the labels of the same rows as `probs` (n, K) by model; rows that are NaN are left out. `columns` of
    `images` are taken over where they are there.
    """
    kept = ["image_id", "fold", "label", *(name for name in columns if name in images)]
    parts = []
    for model, of_model in probs.items():
        there = ~np.isnan(of_model).any(1)
        own, labels = of_model[there], images["label"].to_numpy(np.int64)[there]
        said = {
            "prediction": own.argmax(1),
            "right": hits(own, labels),
            "p_label": own[np.arange(len(labels)), labels],
            metric: by_image(metric, own, labels),
        }
        parts.append(images[kept].iloc[np.flatnonzero(there)].assign(model=model, **said))
    return pd.concat(parts, ignore_index=True)
