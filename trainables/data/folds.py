"""Folds: index sets fixed by data and seed, written once, with a hash that every number carries."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainables.data.kaggle import ImageData, check_sources
from trainables.files import load_object, save_json

NO_FOLD = -1
"""The fold of rows that train in every fold."""


@dataclass(frozen=True, eq=False)
class Folds:
    """Which fold each training image belongs to: it trains in all the others."""

    count: int
    seed: int
    data_hash: str
    fold_of: NDArray[np.int64]
    """(N,), in [0, count), or -1 where an image belongs to none."""
    validates: NDArray[np.bool_]
    """(N,): false for rows that train but never validate. Such a duplicate of a validating image has its fold."""

    @property
    def hash(self) -> str:
        """Of the data's contents and of who is in which fold."""
        content = json.dumps([self.count, self.data_hash, self.fold_of.tolist(), self.validates.tolist()])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def validated(self) -> NDArray[np.int64]:
        """Rows that some fold validates, sorted: those that have out-of-fold predictions."""
        return np.flatnonzero(self.validates)

    def split(self, fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows that train and rows that validate, both sorted."""
        return np.flatnonzero(self.fold_of != fold), np.flatnonzero((self.fold_of == fold) & self.validates)

    def placed(self, parts: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """(N, K) of what each fold's validated rows have, (n, K) by fold; NaN in rows that no fold validates."""
        placed = np.full((len(self.fold_of), parts[0].shape[1]), np.nan)
        for fold, part in enumerate(parts):
            placed[self.split(fold)[1]] = part
        return placed

    def save(self, path: Path) -> None:
        save_json(
            path,
            {
                "count": self.count,
                "seed": self.seed,
                "data_hash": self.data_hash,
                "hash": self.hash,
                "fold_of": self.fold_of.tolist(),
                "validates": self.validates.tolist(),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Folds:
        """The inverse of `save`. A file whose hash is not its content's is an `InputError`."""
        stored = load_object(path, "count", "seed", "data_hash", "fold_of", "validates", "hash")
        try:
            folds = cls(
                stored["count"],
                stored["seed"],
                stored["data_hash"],
                np.array(stored["fold_of"], np.int64),
                np.array(stored["validates"], np.bool_),
            )
        except (ValueError, TypeError) as error:
            raise InputError(f"The fold file {path} cannot be read: {error!r}") from None
        if folds.hash != stored["hash"]:
            raise InputError(f"The fold file {path} was changed: its hash is {folds.hash}, it says {stored['hash']}")
        return folds


def make_folds(
    data: ImageData,
    count: int,
    seed: int,
    data_hash: str,
    groups: NDArray[np.int64] | None = None,
    train_only: Sequence[str] = (),
) -> Folds:
    """Stratified by label; the images of a group `(N,)` (see `duplicates`) are all in one fold.

    Rows whose source is in `train_only` train but never validate. Raises `InputError` if a class has fewer groups
    than there are folds, or if there is no such source.
    """
    from sklearn.model_selection import StratifiedKFold  # here, since it is slow to import and a worker loads its folds

    if count < 2:
        raise InputError(f"--folds must be at least 2, got {count}")
    groups = np.arange(len(data.labels)) if groups is None else groups
    if train_only:
        check_sources("--train-only", train_only, data.sources)
    validates = ~np.isin(np.array(data.sources or [""] * len(data.labels)), train_only)
    label_of = _majority_labels(groups[validates], data.labels[validates])
    sizes = label_of.value_counts()
    small = [f"{name!r} has {sizes.get(k, 0)}" for k, name in enumerate(data.classes) if sizes.get(k, 0) < count]
    if small:
        raise InputError(f"Every class needs an image in each of the {count} folds; apart from duplicates:", small)
    fold_of_group = np.full(groups.max() + 1, NO_FOLD, dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
        for fold, (_, chosen) in enumerate(splitter.split(label_of, label_of)):
            fold_of_group[label_of.index[chosen]] = fold
    return Folds(count, seed, data_hash, fold_of_group[groups], validates)


def _majority_labels(groups: NDArray[np.int64], labels: NDArray[np.int64]) -> pd.Series:
    """The commonest label of every group, by group number; the smaller one of two that are as common."""
    counts = pd.crosstab(groups, labels)
    return counts.idxmax(axis=1).rename_axis("group")
