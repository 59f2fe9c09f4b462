"""Does a search end when its budget says? Whole searches on digits, each under a budget of time.

python -m benchmarks.budgets --out FOLDER [--budgets 2m 4m 8m] [--seed 0] [search.py's flags]

The clock is that of the command as a user sees it, from its first process to its last, report written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from trainables.durations import seconds_of
from trainables.files import load_json
from trainables.layout import SearchFolder
from trainables.trial import load_epochs, load_trials


def epochs_of_all_folds(search: SearchFolder) -> int:
    """Of the search and of promotion."""
    folders = [search.trial(number) for number in search.trial_numbers()]
    return sum(len(load_epochs(folder.fold(fold))) for folder in folders for fold in range(_folds(search)))


def _folds(search: SearchFolder) -> int:
    return int(load_json(search.search)["folds"])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budgets", description=str(__doc__).splitlines()[0])
    parser.add_argument("--budgets", nargs="+", default=["2m", "4m", "8m"])
    parser.add_argument("--out", type=Path, required=True)
    asked, more = parser.parse_known_args(arguments)
    rows = []
    for budget in asked.budgets:
        search = SearchFolder((asked.out / budget).resolve())
        words = ["search.py", "--time-budget", budget, "--out", str(search.path), "--quiet", *more]
        began = time.monotonic()
        subprocess.run([sys.executable, *words], check=True)
        wall_s, wanted_s = time.monotonic() - began, seconds_of(budget, "--budgets")
        summary, trials = load_json(search.summary), load_trials(search)
        rows.append(
            {
                "budget_s": wanted_s,
                "wall_s": round(wall_s, 1),
                "apart": f"{wall_s / wanted_s - 1:+.1%}",
                "trials": len(trials),
                "cut": sum(trial.status == "cut" for trial in trials),
                "epochs of the search": summary["epochs_trained"],
                "epochs in all": epochs_of_all_folds(search),
                "promoted": len(summary["promoted"]),
                "ensemble, true test": summary["ensemble"].get("test_accuracy"),
            }
        )
        print(pd.DataFrame(rows).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
