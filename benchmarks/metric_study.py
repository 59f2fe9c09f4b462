"""Which fold-0 number should stop and promote trials? Every candidate against the accuracy that a trial ends with.

python -m benchmarks.metric_study [--quick] [--recipes 24] [--seeds 1] [--jobs 2] [--out runs/metric_study]
python -m benchmarks.metric_study --data FOLDER --space leaves --weights DIR [--recipes 8] ...

On digits the labels are flipped here, in several shares and kinds, and the end is the accuracy on true test labels,
a mean over the nets of `--final-folds` folds; on a folder it is the out-of-fold accuracy of those folds but fold 0,
which the numbers come from. For every
case: Spearman's rho of each number at each rung with the end (90 % bootstrap interval over recipes), and the regret of
ASHA driven by it: how much accuracy its pick lacks to the best of the recipes, over random orders of arrival. Trained
nets are kept under --out, so an interrupted study goes on.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.summary import true_labels
from benchmarks.noise import NOISES
from benchmarks.ranking import CANDIDATES, CONTROL, LOSS, RAW, mean_and_se, regrets, rho, with_means
from cluster.asha import rung_epochs
from search_spaces import Recipe, load_space
from trainables import scores
from trainables.bar import bar
from trainables.data import kaggle
from trainables.data.digits import write_digits
from trainables.data.duplicates import duplicate_groups
from trainables.data.folds import Folds, make_folds
from trainables.data.pixels import read_image
from trainables.files import load_array, load_json, save_array, save_json, write_whole
from trainables.layout import FoldFolder
from trainables.predict import predict_images
from trainables.setting import Setting
from trainables.train import train


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
        end = scores.accuracy(predict_images([folder.weights], data.test_paths), truth)
    elif whole:
        end = scores.accuracy(probs[-1], data.labels[folds.split(fold)[1]])
    save_array(folder.path / "study.npy", np.stack(probs))
    folder.forget_weights()
    save_json(folder.path / "study.json", {"raw": raw, "end": end})


def read_case(case: Case, recipes: Sequence[Recipe], final_folds: int) -> dict[str, Any]:
    """Per candidate the numbers (recipes, epochs) on fold 0, and the ends (recipes,)."""
    data = kaggle.load_data(case.root)
    labels = data.labels[Folds.load(case.folds).split(0)[1]]
    known = true_labels(case.root, data.test_ids) is not None
    numbers: dict[str, list[list[float]]] = {name: [] for name in (CONTROL, RAW, *CANDIDATES)}
    ends = []
    for number, recipe in enumerate(recipes):
        folders = [case.kept / f"{number:03d}" / f"fold{fold}" for fold in range(final_folds)]
        stored = [load_json(folder / "study.json") for folder in folders]
        ends.append(float(np.mean([each["end"] for each in (stored if known else stored[1:] or stored)])))
        epochs = load_array(folders[0] / "study.npy")
        numbers[CONTROL].append([recipe.t1] * recipe.epochs)
        numbers[RAW].append(_whole(stored[0]["raw"], recipe))
        for name, candidate in CANDIDATES.items():
            numbers[name].append(_whole([candidate(probs, labels, recipe) for probs in epochs], recipe))
    return {"numbers": {name: np.array(rows) for name, rows in numbers.items()}, "ends": np.array(ends)}


def _whole(values: list[float], recipe: Recipe) -> list[float]:
    """A number for every epoch: what diverged is worse than anything from there on."""
    return [value if math.isfinite(value) else math.inf for value in values] + [math.inf] * (
        recipe.epochs - len(values)
    )


def study_case(case: Case, read: dict[str, Any], epochs: int) -> dict[str, Any]:
    """Print one case's table; returns its figures by number."""
    rungs, ends, numbers = rung_epochs(epochs), read["ends"], with_means(read["numbers"])
    looked = (*rungs, epochs)
    print(f"\n{case.name}: n = {len(ends)} recipes, ends {ends.min():.4f} to {ends.max():.4f}")
    print(f"{'':52s}{''.join(f'   rho at epoch {epoch:<3d}     ' for epoch in looked)}ASHA's regret")
    figures = {}
    for name, values in numbers.items():
        rhos = [rho(values[:, epoch - 1], ends) for epoch in looked]
        lost = regrets(values, numbers, ends, rungs)
        cells = "".join(f"   {middle:+.2f} [{low:+.2f}, {high:+.2f}] " for middle, low, high in rhos)
        print(f"{name:52s}{cells} {lost[name]:.4f}")
        figures[name] = {"rho": rhos, "regret": lost}
    return {"case": case.name, "epochs": looked, "recipes": len(ends), "figures": figures}


def pool(studied: list[dict[str, Any]]) -> None:
    """Print means over cases: of rho, of the regret, of what a number loses beyond val_loss, of mixed choices."""
    names = list(studied[0]["figures"])
    print(f"\nmeans over n = {len(studied)} cases ± standard error; regret beyond that of val_loss is paired by case")
    for name in names:
        own = [each["figures"][name] for each in studied]
        rhos = [mean_and_se([each["rho"][place][0] for each in own]) for place in range(len(studied[0]["epochs"]))]
        lost = [each["regret"][name] for each in own]
        others = [each["figures"][LOSS]["regret"][LOSS] for each in studied]
        beyond = mean_and_se([mine - other for mine, other in zip(lost, others, strict=True)])
        cells = "".join(f"   {middle:+.2f} ± {error:.2f}" for middle, error in rhos)
        regret = mean_and_se(lost)
        print(f"{name:52s}{cells}   {regret[0]:.4f} ± {regret[1]:.4f}   {beyond[0]:+.4f} ± {beyond[1]:.4f}")
    print("\nmean regret where one number stops at the rungs (rows) and another picks (columns, in the rows' order)")
    for name in names:
        row = [mean_and_se([each["figures"][name]["regret"][end] for each in studied])[0] for end in names]
        print(f"{name:52s} {'  '.join(f'{value:.4f}' for value in row)}")


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
    parser.add_argument("--image-size", type=int, help="for all recipes (default: as the space has it)")
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
    space = space.fixed(epochs=epochs, **({"image_size": flags.image_size} if flags.image_size else {}))
    recipes = space.recipes(6 if flags.quick else flags.recipes, seed=11)
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
    with ProcessPoolExecutor(flags.jobs, multiprocessing.get_context("spawn")) as workers, bar("nets", False) as update:
        for done, future in enumerate([workers.submit(train_one, *each) for each in work], start=1):
            future.result()
            update(done, len(work))
    studied = [study_case(case, read_case(case, recipes, flags.final_folds), epochs) for case in asked]
    pool(studied)
    save_json(flags.out / "study.json", studied)


if __name__ == "__main__":
    main()
