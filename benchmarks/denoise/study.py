"""One net of the study of cleaned labels, what its case's flags find, and how it scores on labels given and true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.summary import true_labels
from benchmarks.metric_study import Case
from search_spaces import Recipe
from trainables import label_quality
from trainables.data.cleaned import cleaned_rows
from trainables.data.folds import Folds
from trainables.data.kaggle import load_data
from trainables.files import load_array, save_array, write_whole
from trainables.layout import FoldFolder
from trainables.predict import predict_images
from trainables.scores import accuracy
from trainables.setting import Setting
from trainables.train import train

LOSSES = {"cross-entropy": (1.0, 1.0), "bi-tempered": (0.8, 1.4)}
"""t1 and t2 of each."""

CROSS_FIT = "drop, cross-fitted"


@dataclass(frozen=True)
class Training:
    """One net: a case, a loss, a way, and a fold, or a pair of folds that both are held out."""

    case: Case
    loss: str
    way: str
    fold: int
    beside: int | None = None
    epochs: int = 12

    @property
    def folder(self) -> FoldFolder:
        name = f"fold{self.fold}" if self.beside is None else f"folds{self.fold}-{self.beside}"
        return FoldFolder(self.case.kept / self.loss / self.way / name)

    @property
    def recipe(self) -> Recipe:
        t1, t2 = LOSSES[self.loss]
        way = "drop" if self.way == CROSS_FIT else "none" if self.way == "pairs" else self.way
        return Recipe(
            backbone="test_resnet", image_size=32, batch_size=32, learning_rate=2e-3, epochs=self.epochs,
            t1=t1, t2=t2, augment="shifts", denoise=way,
        )  # fmt: skip

    def folds(self) -> Folds:
        folds = Folds.load(self.case.folds)
        if self.beside is None:
            return folds
        return replace(folds, fold_of=np.where(folds.fold_of == self.beside, self.fold, folds.fold_of))


def train_one(training: Training) -> None:
    """Train it and predict the test images, once."""
    folder = training.folder
    if folder.test_probs.exists():
        return
    data, recipe = load_data(training.case.root), training.recipe
    if recipe.denoise != "none" and not folder.cleaned.exists():
        table = cleaned_rows(
            recipe.denoise, data, Folds.load(training.case.folds).split(training.fold)[0], judged_by(training)
        )
        write_whole(folder.cleaned, table.to_csv(index=False))
    for _row in train(recipe, data, training.folds(), training.fold, folder, Setting()):
        pass
    probs = predict_images([folder.weights], data.test_paths)
    folder.forget_weights()  # and with them what they predicted
    save_array(folder.test_probs, probs)


def judged_by(training: Training) -> NDArray[np.float64]:
    """The probabilities (N, K) by which a fold's training rows are cleaned; NaN where there are none."""
    case, fold = training.case, training.fold
    folds = Folds.load(case.folds)
    if training.way != CROSS_FIT:
        return oof(case, training.loss, "none")
    found = np.full_like(oof(case, training.loss, "none"), np.nan)
    for other in set(range(folds.count)) - {fold}:
        pair = replace(training, way="pairs", fold=min(fold, other), beside=max(fold, other))
        rows = pair.folds().split(pair.fold)[1]
        there = folds.fold_of[rows] == other
        found[rows[there]] = load_array(pair.folder.pred_probs)[there]
    return found


def oof(case: Case, loss: str, way: str) -> NDArray[np.float64]:
    """Out-of-fold probabilities (N, K)."""
    folds = Folds.load(case.folds)
    return folds.placed([load_array(Training(case, loss, way, fold).folder.pred_probs) for fold in range(folds.count)])


def found(case: Case, loss: str) -> dict[str, Any]:
    """How well the flagged labels are those that were flipped."""
    data, probs = load_data(case.root), oof(case, loss, "none")
    flipped = data.labels != _truth(case, data.image_ids)
    flagged = label_quality.suspicious(data.labels, probs)
    hits = int((flagged & flipped).sum())
    return {
        "case": case.name,
        "loss": loss,
        "flipped": int(flipped.sum()),
        "flagged": int(flagged.sum()),
        "precision": hits / max(1, int(flagged.sum())),
        "recall": hits / int(flipped.sum()),
        "estimated share": label_quality.wrong_share(data.labels, probs),
        "expected right": label_quality.expected_right(data.labels, probs, flagged),
    }


def scored(case: Case, loss: str, way: str) -> dict[str, Any]:
    """On true test labels, out of fold on labels given and true, and how often the wrong label is answered."""
    data, probs = load_data(case.root), oof(case, loss, way)
    true, answers = _truth(case, data.image_ids), probs.argmax(1)
    flipped = data.labels != true
    folds = range(Folds.load(case.folds).count)
    tests = np.mean([load_array(Training(case, loss, way, fold).folder.test_probs) for fold in folds], axis=0)
    return {
        "case": case.name,
        "loss": loss,
        "way": way,
        "test": accuracy(tests, _truth(case, data.test_ids)),
        "given": accuracy(probs, data.labels),
        "true": accuracy(probs, true),
        "wrong answered": float((answers == data.labels)[flipped].mean()),
    }


def _truth(case: Case, image_ids: Sequence[str]) -> NDArray[np.int64]:
    truth = true_labels(case.root, image_ids)
    assert truth is not None
    return truth
