"""Folds: index sets fixed by data and seed, written once, with a hash that every number carries."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from search_spaces.errors import InputError
from trainables.data.kaggle import ImageData
from trainables.layout import load_json, save_json


@dataclass(frozen=True, eq=False)
class Folds:
    """Which fold each training image validates."""

    count: int
    seed: int
    data_hash: str
    fold_of: NDArray[np.int64]
    """(N,), in [0, count)."""

    @property
    def hash(self) -> str:
        """Of the data's contents and of who is in which fold."""
        content = json.dumps([self.count, self.data_hash, self.fold_of.tolist()])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def split(self, fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows that train and rows that validate, both sorted."""
        return np.flatnonzero(self.fold_of != fold), np.flatnonzero(self.fold_of == fold)

    def save(self, path: Path) -> None:
        save_json(
            path,
            {
                "count": self.count,
                "seed": self.seed,
                "data_hash": self.data_hash,
                "hash": self.hash,
                "fold_of": self.fold_of.tolist(),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Folds:
        """The inverse of `save`. A file whose hash is not its content's is an `InputError`."""
        try:
            stored = load_json(path)
            folds = cls(stored["count"], stored["seed"], stored["data_hash"], np.array(stored["fold_of"], np.int64))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"The fold file {path} cannot be read: {error!r}") from None
        if folds.hash != stored["hash"]:
            raise InputError(f"The fold file {path} was changed: its hash is {folds.hash}, it says {stored['hash']}")
        return folds


def make_folds(data: ImageData, count: int, seed: int, data_hash: str) -> Folds:
    """Stratified by label. Raises `InputError` if a class has fewer images than there are folds."""
    if count < 2:
        raise InputError(f"--folds must be at least 2, got {count}")
    sizes = np.bincount(data.labels, minlength=len(data.classes))
    small = [f"{data.classes[k]!r} has {size}" for k, size in enumerate(sizes) if size < count]
    if small:
        raise InputError(f"Every class needs an image in each of the {count} folds:", small)
    fold_of = np.empty(len(data.labels), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
        for fold, (_, rows) in enumerate(splitter.split(fold_of, data.labels)):
            fold_of[rows] = fold
    return Folds(count, seed, data_hash, fold_of)
