"""Does cleaning labels help? On digits with known flips: what is found, and what each way gains on true labels.

python -m benchmarks.denoise [--kinds uniform] [--shares 0.2] [--seeds 3] [--cross-fit] [--out runs/denoise]

For every kind of flips, share and seed: one small net, with cross-entropy and with the bi-tempered loss, trained on all
folds as the labels were given, then once more by each way of `--denoise`, exactly as a search does it. Precision and
recall are those of the labels that the out-of-fold predictions flag. Gains are paired: the same case, folds and seed.

`--cross-fit` measures the leak that `trainables/data/cleaned.py` describes: rows are dropped by nets that saw neither
the row's fold nor the validating one, and the result is held against dropping by out-of-fold predictions. What is
trained is kept under --out, so an interrupted study goes on. A case is 40 trainings of 12 epochs, or 70.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.summary import true_labels
from benchmarks.metric_study import Case, digits_case, write_folds
from benchmarks.noise import NOISES
from search_spaces import Recipe
from search_spaces.kinds import DENOISES
from trainables import label_quality
from trainables.bar import bar
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


def against(table: pd.DataFrame, column: str, loss: str, way: str, base: tuple[str, str]) -> str:
    """'+0.0123 ± 0.0040': mean and standard error over cases of the paired difference from another loss and way."""
    values = table.pivot(index="case", columns=["loss", "way"], values=column)
    apart = values[(loss, way)] - values[base]
    se = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.nan
    return f"{apart.mean():+.4f} ± {se:.4f}"


FOUND = ("flagged", "precision", "recall", "estimated share", "expected right")

GAINED = (
    "true test accuracy",
    "beyond the same loss, as given",
    "beyond bi-tempered, as given",
    "given, out of fold",
    "true, out of fold",
    "wrong label answered",
    "the same, beyond as given",
)


def tell(kind: str, share: float, findings: pd.DataFrame, scores: pd.DataFrame) -> None:
    """The tables of one kind and share, as Markdown."""
    print(f"\n{kind}, {share:.0%}, n = {scores['case'].nunique()} seeds: mean ± standard deviation over seeds\n")
    print(f"| loss | {' | '.join(FOUND)} |\n{'|---' * (1 + len(FOUND))}|")
    for name, part in findings.groupby("loss", sort=False):
        print(f"| {name} | {' | '.join(_mean_and_sd(part[column]) for column in FOUND)} |")
    print("\nDifferences are paired by seed: mean ± standard error.\n")
    print(f"| loss | way | {' | '.join(GAINED)} |\n{'|---' * (2 + len(GAINED))}|")
    for names, part in scores.groupby(["loss", "way"], sort=False):
        loss, way = map(str, names)
        print(f"| {loss} | {way} | {' | '.join(_gained(scores, part, loss, way))} |")
    if CROSS_FIT in set(scores["way"]):
        print("\nDropped by out-of-fold predictions, less dropped cross-fitted, paired by seed: mean ± standard error.")
        for each in scores["loss"].unique():
            columns = ("given", "true", "wrong answered")
            apart = [f"{column} {against(scores, column, each, 'drop', (each, CROSS_FIT))}" for column in columns]
            print(f"  {each}: {', '.join(apart)}")


def _gained(scores: pd.DataFrame, part: pd.DataFrame, loss: str, way: str) -> list[str]:
    return [
        _mean_and_sd(part["test"]),
        against(scores, "test", loss, way, (loss, "none")),
        against(scores, "test", loss, way, ("bi-tempered", "none")) if "bi-tempered" in set(scores["loss"]) else "–",
        _mean_and_sd(part["given"]),
        _mean_and_sd(part["true"]),
        _mean_and_sd(part["wrong answered"]),
        against(scores, "wrong answered", loss, way, (loss, "none")),
    ]


def _mean_and_sd(values: pd.Series) -> str:
    digits = 0 if values.max() > 1 else 4
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def train_all(trainings: Iterable[Training], jobs: int, title: str) -> None:
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as workers, bar(title, False) as update:
        futures = [workers.submit(train_one, each) for each in trainings]
        for done, future in enumerate(futures, start=1):
            future.result()
            update(done, len(futures))


def study(flags: argparse.Namespace, kind: str, share: float) -> None:
    """One kind and share, over all seeds."""
    cases = [digits_case(flags.out, kind, share, seed) for seed in range(flags.seeds)]
    for case in cases:
        write_folds(case, flags.folds)
    each = [(case, loss) for case in cases for loss in flags.losses]
    folds = range(flags.folds)
    ways = [*DENOISES, *([CROSS_FIT] if flags.cross_fit else [])]

    def of(way: str, held_out: Iterable[tuple[int, int | None]]) -> list[Training]:
        return [Training(*one, way, *out, flags.epochs) for one in each for out in held_out]

    alone, pairs = [(fold, None) for fold in folds], list(combinations(folds, 2)) if flags.cross_fit else []
    title = f"{kind} {share:.0%}"
    train_all([*of("none", alone), *of("pairs", pairs)], flags.jobs, f"{title}, as given")
    train_all([each for way in ways[1:] for each in of(way, alone)], flags.jobs, f"{title}, cleaned")
    findings = pd.DataFrame([found(*one) for one in each])
    scores = pd.DataFrame([scored(*one, way) for one in each for way in ways])
    tell(kind, share, findings, scores)
    write_whole(flags.out / f"{kind}-{share:g}-found.csv", findings.to_csv(index=False))
    write_whole(flags.out / f"{kind}-{share:g}-scores.csv", scores.to_csv(index=False))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denoise", description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=list(NOISES), default=list(NOISES))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--losses", nargs="+", choices=list(LOSSES), default=list(LOSSES))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--cross-fit", action="store_true", help="drop by nets that saw neither of two folds, too")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/denoise"))
    flags = parser.parse_args()
    for kind in flags.kinds:
        for share in flags.shares:
            study(flags, kind, share)


if __name__ == "__main__":
    main()
