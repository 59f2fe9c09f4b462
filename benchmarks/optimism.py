"""What do searches find on digits, and is the accuracy that they report honest? Over seeds.

python -m benchmarks.optimism [--seeds 10] [--out runs/optimism]

Each seed is a whole search on digits (about five minutes on 2 cores), kept under --out, so an interrupted study goes
on. First a table of what they found, then what they report, less what their nets truly reach. A score out of fold is
measured on labels of which a known share is flipped evenly: a net of true accuracy a is seen at
a (1 - s) + (1 - a) s / (K - 1). The truth is taken net by net, as the score is: one net of each member for an image,
not the mean of all folds' nets, which is better than what is reported.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from analysis.ensemble import Blend, Weighted, blend_of
from analysis.summary import true_labels
from trainables.data.digits import FLIPPED_SHARE
from trainables.data.kaggle import load_data
from trainables.files import load_array, load_json
from trainables.layout import SearchFolder
from trainables.scores import accuracy


def as_noisy_labels_see_it(true_accuracy: float, n_classes: int, share: float = FLIPPED_SHARE) -> float:
    """The accuracy that labels show of which `share` are evenly flipped."""
    return true_accuracy * (1.0 - share) + (1.0 - true_accuracy) * share / (n_classes - 1)


def reported_and_true(search: SearchFolder) -> dict[str, float]:
    """What the report says, and the mean true test accuracy of the nets that it was measured with, as labels see it."""
    summary, about = load_json(search.summary), load_json(search.search)
    data = load_data(search.digits)
    truth = true_labels(data.root, data.test_ids)
    assert truth is not None
    ensemble, best = summary["ensemble"], summary["promoted"][0]

    def seen(folds: range, numbers: list[int], blend: Blend) -> float:
        trues = [accuracy(_fold_probs(search, fold, numbers, blend), truth) for fold in folds]
        return as_noisy_labels_see_it(float(np.mean(trues)), len(data.classes))

    all_folds, others = range(about["folds"]), range(1, about["folds"])
    row = {
        "ensemble, method chosen on all": ensemble["oof_accuracy"],
        "ensemble, choice nested": ensemble["nested_accuracy"],
        "ensemble, truth": seen(all_folds, ensemble["members"], blend_of(search)),
    }
    if best["trial"] in ensemble["members"]:  # else its other folds' nets did not predict the test images
        row |= {
            "best trial, fold 0": best["folds"][0]["accuracy"],
            "best trial, other folds": best["unchosen_accuracy"],
            "best trial, truth": seen(others, [best["trial"]], Weighted((1.0,))),
        }
    return row


def _fold_probs(search: SearchFolder, fold: int, numbers: list[int], blend: Blend) -> NDArray[np.float64]:
    return blend(np.stack([load_array(search.trial(number).fold(fold).test_probs) for number in numbers]))


def found(search: SearchFolder) -> dict[str, float]:
    """What the README says of a search on digits."""
    summary = load_json(search.summary)
    ensemble, net = summary["ensemble"], summary["best_trial"]["test_accuracy"]
    return {
        "ensemble, true test accuracy": ensemble["test_accuracy"],
        "best single net of the search, true test accuracy": net,
        "ensemble less that net": ensemble["test_accuracy"] - net,
        "ensemble, out of fold, on the labels as given": ensemble["oof_accuracy"],
        "the same, weights picked without the fold that they are used on": ensemble["nested_accuracy"],
        "epochs trained": summary["epochs_trained"],
        "epochs without stopping": summary["epochs_without_stopping"],
        "wall-clock of the command (of the last one, where it was interrupted), s": summary["wall_s"],
    }


def tell_found(table: pd.DataFrame) -> None:
    """A Markdown table: a row a column of it, over searches."""
    print(f"\n| n = {len(table)} searches | mean | standard deviation | range |\n|---|---|---|---|")
    for name, values in table.items():
        places = 4 if values.max() <= 1 else 0
        told = [f"{value:.{places}f}" for value in (values.mean(), values.std(ddof=1), values.min(), values.max())]
        print(f"| {name} | {told[0]} | {told[1]} | {told[2]}–{told[3]} |")


def bias(table: pd.DataFrame, reported: str, truth: str) -> dict[str, Any]:
    """Mean of reported less true over seeds, with its 95 % interval (Student's t)."""
    apart = (table[reported] - table[truth]).dropna()
    half = float(t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else np.nan
    return {"reported": reported, "n": len(apart), "bias": float(apart.mean()), "interval": half}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimism", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/optimism"))
    flags = parser.parse_args()
    rows, finds = [], []
    for seed in range(flags.seeds):
        search = SearchFolder((flags.out / f"seed{seed}").resolve())
        if not search.summary.exists():
            words = [sys.executable, "search.py", "--seed", str(seed), "--out", str(search.path), "--quiet"]
            subprocess.run([*words, *(["--resume"] if search.search.exists() else [])], check=True)
        rows.append({"seed": seed, **reported_and_true(search)})
        finds.append(found(search))
        told = ", ".join(f"{name} {value:.4f}" for name, value in rows[-1].items() if name != "seed")
        print(f"seed {seed}: {told}", flush=True)
    tell_found(pd.DataFrame(finds))
    table = pd.DataFrame(rows)
    print("\nreported less true, mean over seeds ± 95 % interval")
    for reported, truth in (
        ("ensemble, method chosen on all", "ensemble, truth"),
        ("ensemble, choice nested", "ensemble, truth"),
        ("best trial, fold 0", "best trial, truth"),
        ("best trial, other folds", "best trial, truth"),
    ):
        if reported in table:
            row = bias(table, reported, truth)
            print(f"  {row['reported']:32s} {row['bias']:+.4f} ± {row['interval']:.4f}  (n = {row['n']})")


if __name__ == "__main__":
    main()
