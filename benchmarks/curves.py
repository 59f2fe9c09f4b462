"""Trains recipes to their end once, so that `benchmarks.stopping` can replay searches on what they reported.

python -m benchmarks.curves --data digits|FOLDER --space digits|leaves|FILE --out CSV.gz [--recipes 64] [--epochs 12]
    [--seeds 4] [--weights DIR] [--set image_size=96 ...] [--jobs 2]

Recipes are those that a search of the space would draw, trained on fold 0 without stopping, one thread each. `--seeds`
are those of digits: of which images are held out, which labels are flipped, and which recipes are drawn; a folder has
one. A row of the table is an epoch of a recipe: what varies in the space, every number that can rank trials with its
standard error over validation images, `cpu_s` (of the process: that others work beside it does not count), and whether
it diverged. Where truth is known also `true_accuracy`,
on the true labels of the images that fold 0 validates, and after the last epoch `test_accuracy`, on the test images'.
The table is written anew after every recipe; recipes that it has are not trained again.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.summary import true_labels
from benchmarks.metric_study import Case, write_folds
from cluster.flags import set_fields
from search_spaces import Recipe, Space, load_space
from search_spaces.ranges import Range
from trainables.bar import bar
from trainables.data import kaggle
from trainables.data.digits import write_digits
from trainables.data.folds import Folds
from trainables.files import load_array, write_whole
from trainables.layout import FoldFolder
from trainables.predict import predict_images
from trainables.scores import METRICS, accuracy
from trainables.setting import Setting
from trainables.train import train
from trainables.weights import has_weights

DIGITS = "digits"
N_FOLDS = 5
SCORES = [name for metric in METRICS for name in (metric, f"{metric}_se")]
"""What is kept of an epoch's row, as `metrics.csv` has it."""

Row = dict[str, Any]


def train_curve(case: Case, recipe: Recipe) -> list[Row]:
    """Train a recipe on fold 0 to its end; a row an epoch. Its nets are not kept."""
    data, folds = kaggle.load_data(case.root), Folds.load(case.folds)
    truth = true_labels(case.root, data.image_ids)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, before = FoldFolder(Path(scratch)), time.process_time()
        for row in train(recipe, data, folds, 0, folder, Setting(case.weights, recipe.tta_count)):
            kept = {"epoch": row["epoch"], **{name: row[name] for name in SCORES}}
            kept |= {"cpu_s": time.process_time() - before, "diverged": int(row["diverged"])}
            if truth is not None:
                kept["true_accuracy"] = accuracy(load_array(folder.pred_probs), truth[folds.split(0)[1]])
            rows.append(kept)
            before = time.process_time()
        test_truth = true_labels(case.root, data.test_ids)
        if test_truth is not None and folder.weights.exists():
            rows[-1]["test_accuracy"] = accuracy(predict_images([folder.weights], data.test_paths), test_truth)
    return rows


def varying(space: Space, recipe: Recipe) -> Row:
    """The fields of a recipe that the space leaves open."""
    return {name: getattr(recipe, name) for name, field in space.fields.items() if isinstance(field, Range)}


def asked_space(flags: argparse.Namespace) -> Space:
    """The space with the epochs and fields asked for; where a folder of weights is given, only the backbones it has."""
    space = load_space(flags.space).fixed(**set_fields(flags.set))
    if flags.weights:
        space = space.keeping_backbones(lambda name: has_weights(name, flags.weights))
    return space.fixed(epochs=flags.epochs or space.epochs)


def cases(flags: argparse.Namespace, scratch: Path) -> Iterator[Case]:
    """The data of every seed, with its folds."""
    for seed in range(flags.seeds if flags.data == DIGITS else 1):
        root = scratch / f"digits{seed}" if flags.data == DIGITS else Path(flags.data)
        if flags.data == DIGITS:
            write_digits(root, seed)
        case = Case(f"{root.name}, seed {seed}", root, scratch / f"kept{seed}", flags.weights)
        write_folds(case, N_FOLDS)
        yield case


def load_curves(path: Path) -> pd.DataFrame:
    """The table, or an empty one where none is written yet."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame({"seed": [], "recipe": []})


def save_curves(path: Path, table: pd.DataFrame) -> None:
    """Written whole, in the order of seeds, recipes and epochs; six digits, and the same bytes for the same table."""
    text = table.sort_values(["seed", "recipe", "epoch"]).to_csv(index=False, float_format="%.6g")
    write_whole(path, gzip.compress(text.encode(), mtime=0))


def train_missing(flags: argparse.Namespace, scratch: Path) -> None:
    """Train what the table lacks, the same recipes of all seeds before the next ones."""
    space, table = asked_space(flags), load_curves(flags.out)
    there = set(zip(table["seed"], table["recipe"], strict=True))
    given = dict(enumerate(cases(flags, scratch)))
    recipes = {seed: space.fixed(seed=seed).recipes(flags.recipes, seed) for seed in given}
    work = [(seed, number) for number, seed in product(range(flags.recipes), given) if (seed, number) not in there]
    total = flags.recipes * len(given)
    with ProcessPoolExecutor(flags.jobs, multiprocessing.get_context("spawn")) as pool, bar("recipes", False) as update:
        update(total - len(work), total)
        futures = {pool.submit(train_curve, given[seed], recipes[seed][n]): (seed, n) for seed, n in work}
        for done, future in enumerate(as_completed(futures), start=total - len(work) + 1):
            seed, number = futures[future]
            about = {"seed": seed, "recipe": number, **varying(space, recipes[seed][number])}
            rows = pd.DataFrame([about | row for row in future.result()])
            table = rows if table.empty else pd.concat([table, rows], ignore_index=True)
            save_curves(flags.out, table)
            update(done, total)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curves", description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", default=DIGITS, help="digits, or a folder in the Kaggle layout")
    parser.add_argument("--space", default=DIGITS)
    parser.add_argument("--out", type=Path, required=True, help="a .csv.gz")
    parser.add_argument("--recipes", type=int, default=64, help="of each seed")
    parser.add_argument("--epochs", type=int, help="default: the space's")
    parser.add_argument("--seeds", type=int, default=4, help="of digits")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--set", metavar="FIELD=VALUE", nargs="+", default=[], help="decide fields, as search.py does")
    parser.add_argument("--jobs", type=int, default=2)
    flags = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        train_missing(flags, Path(scratch))


if __name__ == "__main__":
    main()
