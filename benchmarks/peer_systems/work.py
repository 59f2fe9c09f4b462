"""What every system of `benchmarks.peers` is given, and what it leaves behind: the same recipes, folds and epochs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.summary import true_labels
from search_spaces import Recipe
from trainables.backbones import save_net, starting_net
from trainables.checkpoint import load_checkpoint
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData, load_data
from trainables.files import load_array, load_json, save_json
from trainables.layout import FoldFolder
from trainables.predict import predict_images
from trainables.scores import accuracy
from trainables.setting import Setting
from trainables.train import train

METRIC = "val_robust_loss"
"""What every system minimises."""

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """One seed's work of one system."""

    out: Path
    """This system's own folder."""
    data: Path
    folds: Path
    recipes: Path
    trials: int
    epochs: int
    slots: int
    grace: int
    factor: int
    seed: int
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def save(self) -> Path:
        """Where `load` finds it."""
        path = self.out / "work.json"
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "_known"}
        save_json(path, {name: str(value) if isinstance(value, Path) else value for name, value in given.items()})
        return path

    @classmethod
    def load(cls, path: Path) -> Work:
        stored = load_json(path)
        paths = {name: Path(stored[name]) for name in ("out", "data", "folds", "recipes")}
        return cls(**{**stored, **paths})

    @property
    def images(self) -> ImageData:
        """Read once in each process. (A `cached_property` of Python 3.11 holds a lock, and cannot be pickled.)"""
        return self._once("images", lambda: load_data(self.data))

    @property
    def validation_truth(self) -> NDArray[np.int64]:
        """True labels of the rows that fold 0 validates."""
        return self._once("truth", self._read_truth)

    def _read_truth(self) -> NDArray[np.int64]:
        truth = true_labels(self.data, self.images.image_ids)
        assert truth is not None
        return truth[Folds.load(self.folds).split(0)[1]]

    def _once(self, name: str, read: Callable[[], T]) -> T:
        if name not in self._known:
            self._known[name] = read()
        found: T = self._known[name]
        return found

    def recipe(self, number: int) -> Recipe:
        return Recipe.from_dict(load_json(self.recipes)[number])

    def fold(self, number: int) -> FoldFolder:
        """Where trial `number` trains fold 0."""
        return FoldFolder(self.out / "trials" / f"{number:03d}" / "fold0")

    def train(self, number: int) -> Iterator[Row]:
        """The loop that all systems run: a row an epoch, noted."""
        recipe, folds = self.recipe(number), Folds.load(self.folds)
        for row in train(recipe, self.images, folds, 0, self.fold(number), Setting(None, recipe.tta_count)):
            self.note(number, self.fold(number), row)
            yield row

    def note(self, number: int, fold: FoldFolder, row: Mapping[str, Any]) -> None:
        """Write down an epoch and how often its net is right on true labels; safe for several processes."""
        noted = {name: row[name] for name in ("epoch", "seconds", "ended_at", METRIC)}
        noted |= {"trial": number, "true_accuracy": accuracy(load_array(fold.pred_probs), self.validation_truth)}
        line = os.open(self.out / "epochs.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(line, (json.dumps(noted) + "\n").encode())
        os.close(line)

    def pick(self, number: int, fold: FoldFolder) -> None:
        """The trial that this system would hand to its user."""
        save_json(self.out / "pick.json", {"trial": number, "fold": str(fold.path)})

    def test_accuracy(self) -> float:
        """Of the picked trial's net, as its last epoch left it, on true test labels."""
        stored = load_json(self.out / "pick.json")
        fold, recipe = FoldFolder(Path(stored["fold"])), self.recipe(stored["trial"])
        if not fold.weights.exists():  # it was stopped
            checkpoint = load_checkpoint(fold)
            assert checkpoint is not None
            net, build = starting_net(recipe, len(self.images.classes), None)
            net.load_state_dict(checkpoint["net"])
            save_net(fold.weights, net, recipe, build)
        truth = true_labels(self.data, self.images.test_ids)
        assert truth is not None
        return accuracy(predict_images([fold.weights], self.images.test_paths), truth)
