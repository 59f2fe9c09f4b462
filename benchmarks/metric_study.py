"""Which fold-0 number should stop and promote trials? Every candidate against the accuracy that a trial ends with.

python -m benchmarks.metric_study [--quick] [--recipes 24] [--seeds 1] [--jobs 2] [--out runs/metric_study]
python -m benchmarks.metric_study --data FOLDER --space leaves --weights DIR [--recipes 8] ...

On digits the labels are flipped here, in several shares and kinds, and the end is the accuracy on true test labels,
a mean over the nets of `--final-folds` folds; on a folder it is the out-of-fold accuracy of those folds. For every
case: Spearman's rho of each number at each rung with the end (90 % bootstrap interval over recipes), and the regret of
ASHA driven by it: how much accuracy its pick lacks to the best of the recipes, over random orders of arrival. Trained
nets are kept under --out, so an interrupted study goes on.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import spearmanr

from analysis.summary import true_labels
from benchmarks.noise import NOISES, Labels
from cluster.asha import goes_on, rung_epochs
from search_spaces import Recipe, load_space
from trainables import scores
from trainables.bar import bar
from trainables.data import kaggle
from trainables.data.digits import write_digits
from trainables.data.duplicates import duplicate_groups
from trainables.data.folds import Folds, make_folds
from trainables.data.images import read_image
from trainables.layout import FoldFolder, load_array, load_json, save_array, save_json, write_whole
from trainables.predict import predict_images
from trainables.setting import Setting
from trainables.train import train

ORDERS = 1000
RESAMPLES = 500
_ROBUST_POWER = 0.7


# Candidates: each takes probabilities (N, K) of one epoch, labels (N,) and the recipe; lower is better.


def softmax_probs(probs: NDArray[np.floating], recipe: Recipe) -> NDArray[np.float64]:
    """What plain softmax would have made of the logits: the link's inverse log_t2, exponentiated."""
    logs = np.log(np.maximum(np.asarray(probs, dtype=np.float64), 1e-12))
    q = 1.0 - recipe.t2
    logits = logs if q == 0 else np.expm1(q * logs) / q
    result: NDArray[np.float64] = softmax(logits, axis=1)
    return result


def robust(probs: NDArray[np.floating], labels: Labels) -> float:
    """Generalized cross-entropy (arXiv 1805.07836) after a temperature: a wrong label costs at most 1 / 0.7."""
    calibrated = scores.calibrated_losses(probs, labels)
    return float(((1.0 - np.exp(-_ROBUST_POWER * calibrated)) / _ROBUST_POWER).mean())


CANDIDATES: dict[str, Callable[[NDArray[np.floating], Labels, Recipe], float]] = {
    "NLL, softmax": lambda p, y, r: scores.log_loss(softmax_probs(p, r), y),
    "NLL, softmax, temperature": lambda p, y, r: scores.score("val_loss", softmax_probs(p, r), y),
    "NLL, link (val_nll)": lambda p, y, r: scores.log_loss(p, y),
    "NLL, link, temperature (val_loss)": lambda p, y, r: scores.score("val_loss", p, y),
    "the same, fitted in sample": lambda p, y, r: scores.log_loss(scores.tempered(p, scores.fit_temperature(p, y)), y),
    "robust loss, link, temperature": lambda p, y, r: robust(p, y),
    "error rate (val_accuracy)": lambda p, y, r: 1.0 - scores.accuracy(p, y),
}
RAW = "the training loss itself"


@dataclass(frozen=True)
class Case:
    """One data folder and where its nets are kept."""

    name: str
    root: Path
    kept: Path
    weights: Path | None = None

    @property
    def folds(self) -> Path:
        return self.kept / "folds.json"


def digits_case(out: Path, kind: str, share: float, seed: int) -> Case:
    """Digits whose training labels are flipped anew, from the true ones."""
    name = f"digits, {kind} {share:.0%}, seed {seed}"
    root = out / "data" / f"{kind}-{share:g}-{seed}"
    if not (root / kaggle.TRAIN_CSV).exists():
        write_digits(root, seed)
        data = kaggle.load_data(root)
        labels = true_labels(root, data.image_ids)
        assert labels is not None
        images = np.stack([read_image(path)[:, :, 0].ravel() for path in data.train_paths]) / 255.0
        given = NOISES[kind](labels, images, share, np.random.default_rng(seed))
        write_whole(
            root / kaggle.TRAIN_CSV, pd.DataFrame({"image_id": data.image_ids, "label": given}).to_csv(index=False)
        )
    return Case(name, root, out / "nets" / root.name)


def write_folds(case: Case, n_folds: int) -> None:
    """The folds that a search would make: no duplicate straddles two."""
    if not case.folds.exists():
        data, contents = kaggle.check_data(case.root)
        groups = duplicate_groups(contents.thumbnails, contents.digests)
        case.kept.mkdir(parents=True, exist_ok=True)
        make_folds(data, n_folds, 0, contents.hash, groups).save(case.folds)


def train_one(case: Case, recipe: Recipe, number: int, fold: int) -> None:
    """Train a recipe on a fold and keep every epoch's probabilities, the raw losses and the end."""
    folder = FoldFolder(case.kept / f"{number:03d}" / f"fold{fold}")
    if (folder.path / "study.json").exists():
        return
    data = kaggle.load_data(case.root)
    folds = Folds.load(case.folds)
    probs, raw = [], []
    for row in train(recipe, data, folds, fold, folder, Setting(case.weights, recipe.tta_count)):
        probs.append(load_array(folder.pred_probs))
        raw.append(row["val_loss_raw"])
    whole = len(raw) == recipe.epochs and folder.weights.exists()
    end = 0.0
    truth = true_labels(case.root, data.test_ids)
    if whole and truth is not None:
        end = scores.accuracy(predict_images(folder.weights, data.test_paths), truth)
    elif whole:
        end = scores.accuracy(probs[-1], data.labels[folds.split(fold)[1]])
    save_array(folder.path / "study.npy", np.stack(probs))
    folder.forget_weights()
    save_json(folder.path / "study.json", {"raw": raw, "end": end})


def read_case(case: Case, recipes: Sequence[Recipe], final_folds: int) -> dict[str, Any]:
    """Per candidate the numbers (recipes, epochs) on fold 0, and the ends (recipes,)."""
    data = kaggle.load_data(case.root)
    labels = data.labels[Folds.load(case.folds).split(0)[1]]
    numbers: dict[str, list[list[float]]] = {name: [] for name in (RAW, *CANDIDATES)}
    ends = []
    for number, recipe in enumerate(recipes):
        folders = [case.kept / f"{number:03d}" / f"fold{fold}" for fold in range(final_folds)]
        stored = [load_json(folder / "study.json") for folder in folders]
        ends.append(float(np.mean([each["end"] for each in stored])))
        epochs = load_array(folders[0] / "study.npy")
        numbers[RAW].append(_whole(stored[0]["raw"], recipe))
        for name, candidate in CANDIDATES.items():
            numbers[name].append(_whole([candidate(probs, labels, recipe) for probs in epochs], recipe))
    return {"numbers": {name: np.array(rows) for name, rows in numbers.items()}, "ends": np.array(ends)}


def _whole(values: list[float], recipe: Recipe) -> list[float]:
    """A number for every epoch: what diverged is worse than anything from there on."""
    return [value if math.isfinite(value) else math.inf for value in values] + [math.inf] * (
        recipe.epochs - len(values)
    )


def rho(values: NDArray[np.floating], ends: NDArray[np.floating]) -> tuple[float, float, float]:
    """Spearman's rho of lower-is-better numbers with the ends, and its 90 % bootstrap interval over recipes."""
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(ends), size=(RESAMPLES, len(ends)))
    resampled = [_spearman(values[pick], ends[pick]) for pick in picks if len(set(ends[pick])) > 1]
    low, high = np.quantile(resampled, [0.05, 0.95])
    return _spearman(values, ends), float(low), float(high)


def _spearman(values: NDArray[np.floating], ends: NDArray[np.floating]) -> float:
    return float(spearmanr(-values, ends).statistic) if len(set(values)) > 1 and len(set(ends)) > 1 else 0.0


def regret(values: NDArray[np.floating], ends: NDArray[np.floating], rungs: Sequence[int]) -> tuple[float, float]:
    """Mean accuracy that ASHA's pick lacks to the best recipe's, and its standard error, over orders of arrival."""
    rng = np.random.default_rng(0)
    lost = [ends.max() - ends[_asha_pick(values, rungs, rng.permutation(len(ends)))] for _ in range(ORDERS)]
    return float(np.mean(lost)), float(np.std(lost) / np.sqrt(ORDERS))


def _asha_pick(values: NDArray[np.floating], rungs: Sequence[int], order: NDArray[np.int64]) -> int:
    recorded: dict[int, list[float]] = {rung: [] for rung in rungs}
    finished: list[int] = []
    for number in order:
        for rung in rungs:
            good = -values[number, rung - 1]
            passes = goes_on(good, recorded[rung])
            recorded[rung].append(good)
            if not passes:
                break
        else:
            finished.append(int(number))
    return min(finished, key=lambda number: float(values[number, -1]))


def report(case: Case, read: dict[str, Any], epochs: int) -> list[dict[str, Any]]:
    """Print one case's table; returns its rows."""
    rungs, ends = rung_epochs(epochs), read["ends"]
    looked = (*rungs, epochs)
    print(f"\n{case.name}: n = {len(ends)} recipes, ends {ends.min():.4f} to {ends.max():.4f}")
    head = "".join(f"   rho at epoch {epoch:<3d}     " for epoch in looked)
    print(f"{'':36s}{head}ASHA's regret")
    rows = []
    for name, values in read["numbers"].items():
        rhos = [rho(values[:, epoch - 1], ends) for epoch in looked]
        lost, error = regret(values, ends, rungs)
        cells = "".join(f"   {middle:+.2f} [{low:+.2f}, {high:+.2f}] " for middle, low, high in rhos)
        print(f"{name:36s}{cells} {lost:.4f} ± {error:.4f}")
        rows.append(
            {"case": case.name, "number": name, "epochs": looked, "rho": rhos, "regret": lost, "regret_se": error}
        )
    return rows


def cases(flags: argparse.Namespace) -> Iterator[Case]:
    """What the flags ask for."""
    if flags.data:
        yield Case(flags.data.name, flags.data, flags.out / "nets" / flags.data.name, flags.weights)
        return
    asked = [("uniform", 0.2)] if flags.quick else [(kind, share) for kind in NOISES for share in flags.shares]
    for seed in range(1 if flags.quick else flags.seeds):
        for kind, share in asked:
            yield digits_case(flags.out, kind, share, seed)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metric_study", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one case, few recipes and epochs: does it run?")
    parser.add_argument("--recipes", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=None, help="default: the space's")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--final-folds", type=int, default=1, help="folds whose nets make the end")
    parser.add_argument("--space", default="digits")
    parser.add_argument("--data", type=Path, help="a folder in the Kaggle layout, in place of digits")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/metric_study"))
    flags = parser.parse_args()
    space = load_space(flags.space)
    epochs = 4 if flags.quick else flags.epochs or space.epochs
    recipes = space.fixed(epochs=epochs).recipes(6 if flags.quick else flags.recipes, seed=11)
    if flags.weights:
        names = [path.stem for path in flags.weights.glob("*.safetensors")]
        recipes = [replace(recipe, backbone=names[number % len(names)]) for number, recipe in enumerate(recipes)]
    asked = list(cases(flags))
    for case in asked:
        write_folds(case, flags.folds)
    work = [
        (case, recipe, number, fold)
        for case in asked
        for number, recipe in enumerate(recipes)
        for fold in range(flags.final_folds)
    ]
    with ProcessPoolExecutor(flags.jobs, multiprocessing.get_context("spawn")) as pool, bar("nets", False) as update:
        for done, future in enumerate([pool.submit(train_one, *each) for each in work], start=1):
            future.result()
            update(done, len(work))
    rows = [row for case in asked for row in report(case, read_case(case, recipes, flags.final_folds), epochs)]
    save_json(flags.out / "study.json", rows)


if __name__ == "__main__":
    main()
