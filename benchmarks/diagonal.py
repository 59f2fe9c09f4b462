"""A diagonal beside full promotion, both from the trials of one search: what each costs, and what it scores.

python -m benchmarks.diagonal OUT [OUT ...] [--copies runs/diagonal]

OUT is a finished search with full promotion, on data that is where it was. A copy of it goes on with `--resume
--promotion diagonal`, so both promote by the same standings; what the copy has trained already is not trained again,
and counts as if it were. Compared are all that OUT promoted, as its ensemble; the best trial on all folds alone, which
costs what a diagonal does; and the diagonal. Differences are paired, image by image, with one standard error.

Out of fold each image has one net: of a diagonal's score that is the mean over its recipes, whereas a test image is
answered by the mean of as many recipes as there are folds.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.ensemble import ensemble_test_probs
from analysis.ensemble.chosen import read_oof
from analysis.ensemble.views import answers
from analysis.summary import true_labels
from benchmarks.ranking import mean_and_se
from cluster.flags import command, read_flags
from cluster.kinds import DIAGONAL, FULL
from search_spaces import InputError
from trainables.comparison import paired
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData, load_data
from trainables.data.skipped import load_skipped
from trainables.files import load_array, load_json
from trainables.layout import SearchFolder
from trainables.member import Member, promoted_members
from trainables.predict import predict_images
from trainables.scores import accuracy, accuracy_se, goods_by_image, hits, score
from trainables.trial import load_recipe
from trainables.view_means import mean_of_search

ALONE = "best trial"


@dataclass(frozen=True, eq=False)
class Way:
    """One way to promote, as it answers."""

    name: str
    epochs: int
    """Beyond the search's."""
    seconds: float
    """Of training, one fold after the other."""
    nets: int
    oof: NDArray[np.floating]
    """(N, K), of the validated rows."""
    tests: NDArray[np.floating]
    """(n, K)"""


def words_of(told: str, copy: Path) -> list[str]:
    """The arguments of search.py by which a copy of the search that was begun with the command `told` goes on."""
    flags = read_flags(shlex.split(told)[2:])
    flags.promotion, flags.promote, flags.quiet = DIAGONAL, None, True
    return [*shlex.split(command(flags, copy))[1:], "--resume"]


def went_on(full: SearchFolder, copy: SearchFolder) -> None:
    """Copy a search and have it promote a diagonal, once."""
    about = load_json(full.search)
    if about.get("promotion") != FULL or "--adaptive" in about["command"] or load_json(full.denoised):
        raise InputError(f"OUT must be a search with full promotion, not adaptive and not denoised; {full.path} is not")
    if not copy.path.exists():
        part = copy.path.with_name(f"{copy.path.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(full.path, part, ignore=shutil.ignore_patterns("ray", "lock", "*.tmp"))
        part.rename(copy.path)
    if load_json(copy.summary)["promotion"] != DIAGONAL:
        subprocess.run([sys.executable, *words_of(about["command"], copy.path)], check=True, stdout=subprocess.DEVNULL)


def ways(full: SearchFolder, copy: SearchFolder, data: ImageData, folds: Folds) -> list[Way]:
    """All that was promoted, the best trial alone, and the diagonal."""
    members, costs = promoted_members(full, folds.count), load_json(full.summary)["cost"]
    rows = folds.validated

    def cost(of: Sequence[dict[str, float]]) -> tuple[int, float, int]:
        return int(sum(each["epochs"] for each in of)), sum(each["seconds"] for each in of), len(of) * folds.count

    alone = answers(full, members[0], folds)[rows], _test_probs(full, members[0], data)
    named = f"full, {len(members)} trials"
    return [
        Way(named, *cost(costs), read_oof(full), ensemble_test_probs(full)),
        Way(ALONE, *cost(costs[:1]), *alone),
        Way(DIAGONAL, *cost(load_json(copy.summary)["cost"]), read_oof(copy), ensemble_test_probs(copy)),
    ]


def _test_probs(search: SearchFolder, member: Member, data: ImageData) -> NDArray[np.float64]:
    """A search predicts with the nets of its ensemble only; a member that is none of those predicts here."""
    by_fold = []
    for number, fold in member.pairs:
        trial, folder = search.trial(number), search.trial(number).fold(fold)
        nets = folder.nets(load_recipe(trial))
        there = folder.test_probs.exists()
        by_fold.append(
            load_array(folder.test_probs)
            if there
            else predict_images(nets, data.test_paths, mean=mean_of_search(search))
        )
    probs: NDArray[np.float64] = np.mean(by_fold, axis=0, dtype=np.float64)
    return probs


def described(found: Sequence[Way], labels: NDArray[np.int64], truth: NDArray[np.int64] | None, metric: str) -> str:
    """A table of the ways."""
    rows = []
    for way in found:
        share = accuracy(way.oof, labels)
        row = {"way": way.name, "epochs": way.epochs, "seconds": round(way.seconds, 1), "nets": way.nets}
        row |= {"out of fold": f"{share:.4f} ± {accuracy_se(share, len(labels)):.4f}"}
        row |= {metric: f"{score(metric, way.oof, labels):.4f}"}
        if truth is not None:
            share = accuracy(way.tests, truth)
            row |= {"true test": f"{share:.4f} ± {accuracy_se(share, len(truth)):.4f}"}
        rows.append(row)
    return pd.DataFrame(rows).to_string(index=False)


def leads(
    found: Sequence[Way], labels: NDArray[np.int64], truth: NDArray[np.int64] | None, metric: str
) -> dict[tuple[str, str], tuple[float, float]]:
    """By what and over whom the last way is ahead, higher is better, with its standard error."""
    *others, last = found
    ahead = {}
    for place, other in enumerate(others):
        over = ALONE if place else FULL
        pairs = {
            "accuracy, out of fold": (hits(last.oof, labels), hits(other.oof, labels)),
            f"{metric}, out of fold": tuple(goods_by_image(metric, way.oof, labels) for way in (last, other)),
        }
        if truth is not None:
            pairs["accuracy, true test"] = hits(last.tests, truth), hits(other.tests, truth)
        for what, (own, its) in pairs.items():
            difference = paired(own, its)
            ahead[what, over] = difference.behind, difference.se
    return ahead


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagonal", description=str(__doc__).splitlines()[0])
    parser.add_argument("searches", metavar="OUT", type=Path, nargs="+", help="finished, with full promotion")
    parser.add_argument("--copies", type=Path, default=Path("runs/diagonal"), help="folder for the copies that go on")
    asked = parser.parse_args(arguments)
    found: list[dict[tuple[str, str], tuple[float, float]]] = []
    try:
        for out in asked.searches:
            full, copy = SearchFolder(out.resolve()), SearchFolder((asked.copies / out.name).resolve())
            went_on(full, copy)
            about, folds = load_json(full.search), Folds.load(full.folds)
            data = load_data(Path(about["data"]), load_skipped(full.skipped))
            promoted = ways(full, copy, data, folds)
            scored = data.labels[folds.validated], true_labels(data.root, data.test_ids), about["metric"]
            found.append(leads(promoted, *scored))
            print(f"{full.path}; the diagonal's folds are of trials {promoted_members(copy, folds.count)[0]}")
            print(described(promoted, *scored))
            for (what, over), (ahead, se) in found[-1].items():
                print(f"  diagonal ahead of {over:10s} {what:32s} {ahead:+.4f} ± {se:.4f}", flush=True)
    except InputError as error:
        print(f"benchmarks.diagonal: {error}", file=sys.stderr)
        return 2
    for what, over in found[0] if len(found) > 1 else ():
        mean, se = mean_and_se([each[what, over][0] for each in found])
        print(f"over {len(found)} searches, ahead of {over:10s} {what:32s} {mean:+.4f} ± {se:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
