"""`load(OUT)`: a search as tidy pandas frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import frames
from analysis.bucket_copy import copied
from search_spaces.errors import InputError
from trainables.bucket import is_bucket
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData, load_data
from trainables.data.place import DataPlace
from trainables.data.skipped import load_skipped
from trainables.files import load_json, load_object, load_rows
from trainables.layout import SearchFolder
from trainables.member import Stored, member_name
from trainables.scores import METRICS
from trainables.trial import Trial, load_trials

ENSEMBLE = "ensemble"
"""The ensemble's name among the models."""

_LAST = (*METRICS, *(f"{metric}_se" for metric in METRICS), "temperature", "calibration_error")


@dataclass(frozen=True)
class Found:
    """A search in OUT, finished or not. Every frame is made afresh from the files, once."""

    search: SearchFolder
    place: str = ""
    """OUT as it was named."""
    data_folder: str = ""
    """Where the images are, if not where the search had them."""

    @cached_property
    def about(self) -> dict[str, Any]:
        """What the search is: space, data, seed, hashes, command."""
        return load_object(self.search.search, "space", "data", "seed", "fold_hash", "code_hash")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json; there once the search is finished."""
        return load_object(self.search.summary, "best_trial", "promoted", "ensemble", "metric", "command")

    @property
    def metric(self) -> str:
        """What the search improves."""
        return str(self.about["metric"])

    @property
    def best(self) -> int | None:
        """The trial that ended first in the standings; None before there are any."""
        return int(self.standings["trial"].iloc[0]) if self.search.standings.exists() else None

    @cached_property
    def trial_list(self) -> list[Trial]:
        """Every trial as its folder tells it."""
        return load_trials(self.search)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial: `trial`, `status`, `epoch`, its last metrics with their `_se`, and its recipe's fields."""
        rows = []
        for trial in self.trial_list:
            last = {name: trial.last(name) for name in _LAST} if trial.epoch else {}
            rows.append(
                {"trial": trial.number, "status": trial.status, "epoch": trial.epoch} | last | trial.recipe.to_dict()
            )
        return pd.DataFrame(rows)

    @cached_property
    def searched(self) -> pd.DataFrame:
        """The fields that differ between trials, indexed by trial; the learning rate as `learning_rate_factor`."""
        return frames.searched_frame(self.trials, self.about.get("ranges", {}))

    @cached_property
    def standings(self) -> pd.DataFrame:
        """One row a judged trial, best first: how far `behind` the first, paired on the same images, and ties."""
        return pd.DataFrame(load_rows(self.search.standings, "trial", "epoch"))

    @cached_property
    def rungs(self) -> pd.DataFrame:
        """One row a rung and trial that reached it: `value` there, `goes_on`, and `end`, its value at the very end."""
        return frames.rung_frame(load_object(self.search.rungs, "values", "stopped"), self.trials, self.metric)

    @cached_property
    def ways(self) -> pd.DataFrame:
        """One row a promoted trial and way to answer by its epochs, as `analysis.epochs.compare_epochs` has them."""
        return pd.DataFrame(self.summary.get("ways", []))

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row a trial and epoch of the search on fold 0."""
        parts = [
            trial.epochs.assign(trial=trial.number, status=trial.status) for trial in self.trial_list if trial.epoch
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    @cached_property
    def fold_epochs(self) -> pd.DataFrame:
        """One row a trial, fold and epoch, promotion's too; `stage` says which."""
        left_at = {trial.number: trial.epoch for trial in self.trial_list} | dict.fromkeys(self.denoised, 0)
        return frames.fold_epoch_frame(self.search, left_at, self.about["folds"])

    @cached_property
    def promoted(self) -> list[Stored]:
        """The trials that were trained on all folds, best first, by number; not the denoised ones.

        A list stands for a member that has another trial in each fold.
        """
        return list(load_json(self.search.promoted))

    @cached_property
    def denoised(self) -> list[int]:
        """The numbers of the denoised trials."""
        rows = load_rows(self.search.denoised, "trial") if self.search.denoised.exists() else []
        return [int(row["trial"]) for row in rows]

    @cached_property
    def data(self) -> ImageData:
        """The search's data folder, whose images need not be there. `InputError` where it is not, or is another."""
        place = self.data_folder or str(self.about["data"])
        if not self.data_folder and not is_bucket(place) and self.search.digits.is_dir():
            place = str(self.search.digits)  # an OUT that was copied from elsewhere
        data = load_data(DataPlace(place, self.about["seed"]).here(), load_skipped(self.search.skipped))
        if [data.image_ids[row] for row in self._folds.validated if row < len(data.image_ids)] != list(self._oof_ids):
            raise InputError(f"The data folder of {self.place} must be the search's own; {place} has other images")
        return data

    @cached_property
    def images(self) -> pd.DataFrame:
        """One row an image that some fold validates, in the order of oof.csv.

        `image_id`, `fold`, `label` and its `class`; the ensemble's `prediction` and `p_label`; `group`, which is that
        of its duplicates, or missing; and its `source`, where train.csv is at hand and tells sources.
        """
        oof = self._oof
        labels = oof["label"].to_numpy(np.int64)
        names = np.array(self.about["classes"], dtype=object)
        probs = self.pred_probs[ENSEMBLE]
        table = oof[["image_id", "fold", "label", "prediction"]].assign(
            **{"class": names[labels], "p_label": probs[np.arange(len(labels)), labels]}
        )
        groups = pd.read_csv(self.search.groups, dtype={"image_id": str}).set_index("image_id")["group"]
        table = table.assign(group=table["image_id"].map(groups).astype("Int64"))
        sources = self._sources()
        return table if sources is None else table.assign(source=sources)

    def _sources(self) -> list[str] | None:
        if is_bucket(self.data_folder or str(self.about["data"])):
            return None  # nobody fetches all images for a column
        try:
            sources = self.data.at(self._folds.validated).sources
        except InputError:  # the tables of the data are elsewhere: all but the sources is in OUT
            return None
        return None if sources is None else list(sources)

    @cached_property
    def pred_probs(self) -> dict[str, frames.Probs]:
        """Out-of-fold probabilities (n, K) of `images`, by model: promoted and denoised trials, then the ensemble.

        A row is NaN where a trial was not trained on the fold.
        """
        probs = {member_name(each): self.probs_of(each) for each in (*self.promoted, *self.denoised)}
        columns = [f"p{k}" for k in range(len(self.about["classes"]))]
        return {**probs, ENSEMBLE: self._oof[columns].to_numpy(np.float64)}

    def probs_of(self, member: Stored) -> frames.Probs:
        """The same of any trial that trained; of one that was not promoted, fold 0 alone is not NaN."""
        return frames.member_probs(self.search, member, self._folds)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row an image and `model`, out of fold: `fold`, `label`, `prediction`, `right` (0 or 1), `p_label`, and
        the search's metric, image by image."""
        return frames.prediction_frame(self.images, self.pred_probs, self.metric, ("class", "source"))

    @cached_property
    def label_issues(self) -> pd.DataFrame:
        """One row a suspicious label, worst first; of a finished search."""
        try:
            return pd.read_csv(self.search.label_issues, dtype={"image_id": str}, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.search.label_issues} cannot be read: {error}") from None

    @cached_property
    def tta(self) -> pd.DataFrame:
        """One row a trial and TTA count: its scores at the epoch where it was last scored at every count."""
        rows: list[dict[str, Any]] = []
        for trial in self.trial_list:
            path = self.search.trial(trial.number).fold(0).tta_curve
            if path.exists():
                stored = load_object(path, "epoch", "curve")
                rows += [{"trial": trial.number, "epoch": stored["epoch"], **point} for point in stored["curve"]]
        return pd.DataFrame(rows, columns=None if rows else ["trial", "epoch", "tta_count", *METRICS])

    @cached_property
    def _folds(self) -> Folds:
        return Folds.load(self.search.folds)

    @cached_property
    def _oof(self) -> pd.DataFrame:
        try:
            return pd.read_csv(self.search.oof, dtype={"image_id": str}, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.search.oof} cannot be read: {error}; a search that is not finished has none"
            ) from None

    @property
    def _oof_ids(self) -> pd.Series:
        return self._oof["image_id"]


def load(out: str | Path | None = None, data: str | Path | None = None) -> Found:
    """The search in OUT, a folder or one in a bucket (`s3://`, `gs://`). `InputError` where there is none.

    Without OUT it is that of the environment variable LEAFSEARCH_OUT, or the newest finished one in `runs/`. `data`
    (or LEAFSEARCH_DATA) is where the images are, if not where the search had them.
    """
    place = str(out or os.environ.get("LEAFSEARCH_OUT") or _newest())
    search = SearchFolder(copied(place) if is_bucket(place) else Path(place).expanduser().resolve())
    if not search.search.exists():
        raise InputError(f"{place} holds no search (it has no {search.search.name})")
    return Found(search, place, str(data or os.environ.get("LEAFSEARCH_DATA", "")))


def _newest() -> Path:
    """In `runs/` of the current folder, or of one above it: a notebook's own is deeper."""
    for root in (Path.cwd(), *Path.cwd().parents):
        finished = list(root.glob("runs/*/summary.json"))
        if finished:
            return max(finished, key=lambda path: path.stat().st_mtime).parent
    raise InputError(
        "Name an OUT, as in load('runs/NAME'), or set LEAFSEARCH_OUT: there is no finished search in runs/"
    )
