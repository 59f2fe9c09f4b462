"""What adaptive promotion saves, and what it costs: the rule replayed on searches whose members have all their folds.

python -m benchmarks.adaptive [--seeds 3] [--promote 8] [--out runs/adaptive]

Each seed is a whole search on digits without `--adaptive`, kept under --out. The rule is then shown the folds one
after the other, as `--adaptive` does it. Beside the folds saved stand the scores of the greedy ensemble of all members
and of that of the survivors: out of fold with nested weights, and on the true test labels.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.ensemble import METHODS, Members, blend_among
from analysis.ensemble.greedy import select
from analysis.ensemble.nested import nested
from analysis.summary import true_labels
from benchmarks.ranking import mean_and_se
from cluster.promotion import ruled_out
from trainables.comparison import paired
from trainables.data.folds import Folds
from trainables.data.kaggle import load_data
from trainables.files import load_json
from trainables.layout import SearchFolder
from trainables.member import Member, member_nets, oof_pred_probs, promoted_members
from trainables.predict import predict_images
from trainables.scores import accuracy, hits


def survivors(
    probs: dict[Member, np.ndarray], labels: np.ndarray, fold_of: np.ndarray, metric: str
) -> tuple[list[Member], int]:
    """Who is left when the folds are shown one by one, and how many trainings of a fold that leaves out."""
    left, saved, count = list(probs), 0, int(fold_of.max()) + 1
    for shown in range(2, count):
        rows = (fold_of > 0) & (fold_of < shown)
        for member in ruled_out({each: probs[each][rows] for each in left}, labels[rows], metric):
            left.remove(member)
            saved += count - shown
    return left, saved


def study(search: SearchFolder) -> dict[str, float]:
    """One search's figures."""
    about = load_json(search.search)
    data, folds = load_data(search.digits), Folds.load(search.folds)
    members = promoted_members(search, folds.count)
    probs = {member: oof_pred_probs(search, member, folds) for member in members}
    left, saved = survivors(probs, data.labels, folds.fold_of, about["metric"])
    truth = true_labels(data.root, data.test_ids)
    assert truth is not None
    row: dict[str, float] = {"members": len(members), "left": len(left), "saved": saved}
    row["trained"] = len(members) * (folds.count - 1)
    right = {}
    for name, entering in (("all", members), ("survivors", left)):
        stacked = np.stack([probs[member] for member in entering])
        entrants = Members(tuple(map(str, entering)), stacked, data.labels, folds.fold_of)
        right[name] = hits(nested(METHODS["greedy"], entrants, about["metric"], folds.seed), data.labels)
        row[f"nested {name}"] = float(right[name].mean())
        row[f"true {name}"] = accuracy(
            _test_probs(search, entering, select(stacked, data.labels, about["metric"])), truth
        )
    lost = paired(right["all"], right["survivors"])
    return row | {"lost": lost.behind, "lost_se": lost.se}


def _test_probs(search: SearchFolder, members: Sequence[Member], counts: Sequence[int]) -> np.ndarray:
    """The ensemble's: its members' fold nets predict here, since a search predicts with the chosen ones only."""
    paths = load_data(search.digits).test_paths
    chosen = [(member, count) for member, count in zip(members, counts, strict=True) if count]
    means = [predict_images(member_nets(search, member), paths) for member, _ in chosen]
    return blend_among(means, [count for _, count in chosen])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptive", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--promote", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("runs/adaptive"))
    flags = parser.parse_args()
    rows = []
    for seed in range(flags.seeds):
        search = SearchFolder((flags.out / f"seed{seed}").resolve())
        if not search.summary.exists():
            words = [sys.executable, "search.py", "--seed", str(seed), "--promote", str(flags.promote), "--quiet"]
            words += ["--out", str(search.path), *(["--resume"] if search.search.exists() else [])]
            subprocess.run(words, check=True)
        rows.append(study(search))
        print(f"seed {seed}: " + ", ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()), flush=True)
    shares = mean_and_se([row["saved"] / row["trained"] for row in rows])
    lost = mean_and_se([row["lost"] for row in rows])
    truly = mean_and_se([row["true all"] - row["true survivors"] for row in rows])
    print(f"\nof the folds that promotion trains, saved {shares[0]:.2f} ± {shares[1]:.2f} (n = {len(rows)} seeds, SE)")
    print(f"accuracy lost: {lost[0]:+.4f} ± {lost[1]:.4f} out of fold, {truly[0]:+.4f} ± {truly[1]:.4f} on true labels")


if __name__ == "__main__":
    main()
