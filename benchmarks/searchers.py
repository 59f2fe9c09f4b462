"""What does a searcher that learns gain? Searches on digits, at random and by TPE, from the same first trials.

python -m benchmarks.searchers --out FOLDER [--seeds 5] [--trials 24] [search.py's flags]

Both searchers of a seed share data, folds and their first trials, so they are compared in pairs. Compared are the best
trial's score on fold 0 at the end of the search, what its net reaches on true test labels, and the epochs that it took.
A search that is there already is not run again, so an interrupted study goes on.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from cluster.kinds import SEARCHERS
from trainables.files import load_json
from trainables.layout import SearchFolder
from trainables.scores import METRICS, goodness
from trainables.trial import load_trial

METRIC = METRICS[0]


def found(search: SearchFolder) -> dict[str, float]:
    """What a finished search says of its best trial."""
    summary = load_json(search.summary)
    best = summary["best_trial"]
    return {
        METRIC: load_trial(search, best["trial"]).last(METRIC),
        "val_accuracy": best["val_accuracy"],
        "true test accuracy": best["test_accuracy"],
        "epochs": summary["epochs_trained"],
    }


def paired_gain(table: pd.DataFrame, column: str) -> tuple[float, float]:
    """TPE's gain over chance, higher is better but for epochs, mean over seeds with its standard error."""
    wide = table.pivot(index="seed", columns="searcher", values=column)
    gains = (wide["tpe"] - wide["random"]) * (goodness(column, 1.0) if column in METRICS else 1.0)
    return float(gains.mean()), float(gains.std(ddof=1) / math.sqrt(len(gains)))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searchers", description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--out", type=Path, required=True)
    asked, more = parser.parse_known_args(arguments)
    rows: list[dict[str, Any]] = []
    for seed in range(asked.seeds):
        for searcher in SEARCHERS:
            search = SearchFolder((asked.out / f"{searcher}{seed}").resolve())
            if not search.summary.exists():
                flags = ["--seed", str(seed), "--searcher", searcher, "--trials", str(asked.trials), "--quiet"]
                flags += ["--promote", "1", "--folds", "3", *(["--resume"] if search.search.exists() else [])]
                words = [sys.executable, "search.py", "--out", str(search.path), *flags, *more]
                subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            rows.append({"seed": seed, "searcher": searcher, **found(search)})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.groupby("searcher").mean(numeric_only=True).drop(columns="seed").to_string())
    for column in (METRIC, "val_accuracy", "true test accuracy", "epochs"):
        mean, se = paired_gain(table, column)
        print(f"tpe, paired with random: {column:20s} {mean:+.4f} ± {se:.4f}  (n = {asked.seeds} seeds)")


if __name__ == "__main__":
    main()
