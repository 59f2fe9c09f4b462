"""Ours beside plain Ray Tune, Optuna and Syne Tune: the same trainings, recipes, folds, rungs and slots.

python -m benchmarks.peers [--quick] [--json FILE] [--seeds 5] [--trials 16] [--epochs 12] [--slots 2] [--out FOLDER]

Digits, a fifth of the labels flipped. For every seed each system searches fold 0 with the recipes that our space draws,
in their order, with ASHA of the same grace and factor on the same number; each as its own documentation writes it
(`benchmarks/peer_systems/`), in a process of its own, one after the other, another one first for each seed. All run one
training loop, `trainables.train`, and after each epoch note what the net says of fold 0's images.

wall_s         the command, from its start to its end: imports, checks, workers and all
to_target_s    from its start until a net is right on `--target` of fold 0's true labels (which no system sees)
overhead_s     wall_s times slots, less the seconds that epochs took (training and scoring)
turnover_s     from a trial's last epoch to the first one of the next in its slot, the median
epochs         trained
test_accuracy  on true test labels, of the trial that the system picks

Of ours that is the search: promotion, ensemble and report are what the others have not. Syne Tune is not among our
dependencies: `pip install -e '.[peers]'`; who is not installed is left out, and said to be.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peer_systems.work import Work
from benchmarks.spread import spread
from cluster.asha import GRACE_EPOCHS, REDUCTION_FACTOR
from cluster.flags import read_flags
from cluster.plan import make_plan
from cluster.space import space_of
from trainables.bar import bar
from trainables.data.digits import write_digits
from trainables.files import save_json

SYSTEMS = {"plain_ray": "ray", "with_optuna": "optuna", "with_syne_tune": "syne_tune", "ours": "ray"}
"""The file of each under `peer_systems/`, and the library that it needs."""

MEASURES = ("wall_s", "to_target_s", "overhead_s", "turnover_s", "epochs", "test_accuracy")
_PLACES = {"turnover_s": 2, "test_accuracy": 4}


def prepared(asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Data, folds and recipes of a seed, as our own plan has them: `data`, `folds`, `recipes`."""
    folder = asked.out / f"seed{seed}"
    data, folds, recipes = folder / "data", folder / "folds.json", folder / "recipes.json"
    write_digits(data, seed)
    words = ["--data", str(data), "--out", str(folder / "none"), "--seed", str(seed), "--quiet"]
    flags = read_flags([*words, "--trials", str(asked.trials), "--epochs", str(asked.epochs)])
    plan = make_plan(flags, space_of(flags))
    assert plan is not None
    plan.folds.save(folds)
    save_json(recipes, [recipe.to_dict() for recipe in plan.space.recipes(asked.trials, seed)])
    return {"data": data, "folds": folds, "recipes": recipes}


def measured(system: str, work: Work, target: float) -> dict[str, float]:
    """One search of one system, in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.peer_systems.{system}", str(work.save())]
    started, clock = time.time(), time.perf_counter()
    with (work.out / "said.txt").open("w") as said:
        subprocess.run(command, check=True, stdout=said, stderr=subprocess.STDOUT, env=_environment())
    wall_s = time.perf_counter() - clock
    noted = pd.DataFrame(map(json.loads, (work.out / "epochs.jsonl").read_text().splitlines()))
    there = noted.loc[noted["true_accuracy"] >= target, "ended_at"]
    return {
        "wall_s": wall_s,
        "to_target_s": float(there.min() - started) if len(there) else float("nan"),
        "overhead_s": wall_s * work.slots - float(noted["seconds"].sum()),
        "turnover_s": turnover_s(noted, work.slots),
        "epochs": float(len(noted)),
        "test_accuracy": work.test_accuracy(),
    }


def turnover_s(noted: pd.DataFrame, slots: int) -> float:
    """Median seconds in which a slot trains nothing between two trials: each that ends makes way for the next to begin.

    The first trials of the slots follow nobody. What trials train in turns, pausing, has no such seconds to tell.
    """
    trials = noted.assign(began=noted["ended_at"] - noted["seconds"]).groupby("trial")
    begins, ends = np.sort(trials["began"].min())[slots:], np.sort(trials["ended_at"].max())
    return float(np.median(begins - ends[: len(begins)])) if len(begins) else float("nan")


def _environment() -> dict[str, str]:
    """Each starts its own Ray, if any, and has no more threads than slots."""
    return {**os.environ, "RAY_ADDRESS": "local", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def in_turn(systems: list[str], seed: int) -> list[str]:
    """Another one first for each seed."""
    first = seed % len(systems)
    return [*systems[first:], *systems[:first]]


def tell(found: pd.DataFrame) -> None:
    """Medians and ranges over seeds, and ratios to ours by seed, as Markdown."""
    print(f"\nn = {found['seed'].nunique()} seeds: median (range)\n")
    print(f"| system | {' | '.join(MEASURES)} |\n{'|---' * (1 + len(MEASURES))}|")
    for system, part in found.groupby("system", sort=False):
        spreads = [spread(part[name], _PLACES.get(name, 1)) for name in MEASURES]
        print(f"| {system} | {' | '.join(spreads)} |")
    wide = found.pivot(index="seed", columns="system", values=list(MEASURES))
    print("\nOurs as a share of each, paired by seed: median (range)\n")
    for system in found["system"].unique():
        if system != "ours" and "ours" in set(found["system"]):
            shares = [f"{name} {spread(wide[name]['ours'] / wide[name][system], 2)}" for name in MEASURES[:3]]
            print(f"- {system}: {', '.join(shares)}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=str(__doc__).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, 4 trials of 4 epochs: does it run?")
    parser.add_argument("--json", type=Path, help="medians by system, and every search")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--target", type=float, default=0.97, help="of fold 0's true labels")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--out", type=Path, help="keep what they wrote here")
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.seeds, asked.trials, asked.epochs = 1, 4, 4
    there = [system for system in asked.systems if importlib.util.find_spec(SYSTEMS[system])]
    for system in set(asked.systems) - set(there):
        print(f"note: {system} is left out: {SYSTEMS[system]} is not installed; pip install -e '.[peers]'")
    with tempfile.TemporaryDirectory() as scratch:
        asked.out = (asked.out or Path(scratch)).resolve()
        found = all_searches(asked, there)
    tell(found)
    if asked.json:
        save_json(asked.json, as_json(found))


def all_searches(asked: argparse.Namespace, systems: list[str]) -> pd.DataFrame:
    """A row a seed and system."""
    rows = []
    with bar("searches", quiet=False) as update:
        for seed in range(asked.seeds):
            given = prepared(asked, seed)
            for system in in_turn(systems, seed):
                work = Work(
                    **given, out=asked.out / f"seed{seed}" / system, trials=asked.trials, epochs=asked.epochs,
                    slots=asked.slots, grace=GRACE_EPOCHS, factor=REDUCTION_FACTOR, seed=seed,
                )  # fmt: skip
                rows.append({"system": system, "seed": seed, **measured(system, work, asked.target)})
                update(len(rows), asked.seeds * len(systems))
    return pd.DataFrame(rows)


def as_json(found: pd.DataFrame) -> dict[str, dict[str, object]]:
    """By system the median of each measure over seeds (null where the target was not reached), and `searches`."""
    return {
        str(system): {
            **{name: _or_none(part[name].median()) for name in MEASURES},
            "searches": [{k: _or_none(v) for k, v in row.items() if k != "system"} for row in part.to_dict("records")],
        }
        for system, part in found.groupby("system", sort=False)
    }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


if __name__ == "__main__":
    main()
