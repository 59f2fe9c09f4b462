"""What does the driver cost with many trials? Ours beside plain Ray Tune, with epochs that take no time.

python -m benchmarks.scale --out FOLDER [--trials 1000] [--epochs 12] [--nodes 4] [--slots 4]

Both search on one simulated cluster of this machine, one after the other, each with a driver of its own: the same
number of trials and epochs, the same rungs, actors used again. Ours is `cluster.tuner.search`, whole, with a training
that only writes what a training writes of its epochs, by workers that import no torch; plain is `tune.Tuner` with Ray's
`ASHAScheduler`, nothing else. Measured in the driver's process, from its first trial on: CPU time for each report,
seconds until the last decision, the most memory it had.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import psutil
import ray
from ray import tune
from ray.cluster_utils import Cluster
from ray.tune import PlacementGroupFactory, RunConfig, TuneConfig
from ray.tune.schedulers import ASHAScheduler

from benchmarks.growth.measuring import peak_mb
from cluster import tuner
from cluster.asha import GRACE_EPOCHS, REDUCTION_FACTOR
from cluster.flags import read_flags
from cluster.identity import begin
from cluster.plan import make_plan
from cluster.session import session
from cluster.space import space_of
from trainables.data.folds import Folds
from trainables.files import save_array, write_whole
from trainables.layout import SearchFolder
from trainables.scores import METRICS

VARIANTS = ("plain", "ours")
DIGITS = 10

_BEGUN = "begun"
"""Folder in OUT with a file for each trial that has begun."""
_PATIENCE_S = 600

Measured = dict[str, float]


def curve(number: int, epochs: int) -> Iterator[dict[str, Any]]:
    """What a trial reports: a loss that falls, under the name of every metric, with errors."""
    rng = np.random.default_rng(number)
    level = rng.random()
    for epoch in range(1, epochs + 1):
        loss = float(level + 1 / epoch + 0.05 * rng.random())
        scores = {name: value for metric in METRICS for name, value in ((metric, loss), (f"{metric}_se", 0.01))}
        yield {"epoch": epoch, "seconds": 0.0, "diverged": False, **scores}


def plain_trial(config: dict[str, Any], *, epochs: int) -> None:
    for row in curve(config["trial"], epochs):
        tune.report(row)


def our_trial(config: dict[str, Any], *, data: Any, out: Path, setting: Any, together: int = 1) -> None:
    """In place of `run_trial`: the rows go to `metrics.csv`, as a training's do, and some predictions beside them."""
    wait_for_others(out / _BEGUN, config["trial"], together)
    folder = SearchFolder(out).trial(config["trial"]).fold(0)
    epochs = json.loads(SearchFolder(out).trial(config["trial"]).recipe.read_text())["epochs"]
    save_array(folder.pred_probs, np.full((len(Folds.load(SearchFolder(out).folds).split(0)[1]), DIGITS), 1 / DIGITS))
    rows = []
    for row in curve(config["trial"], epochs):
        rows.append({**row, "score_s": 0.0, "ended_at": time.time()})
        write_whole(folder.metrics, pd.DataFrame(rows).to_csv(index=False))
        tune.report(row)


def wait_for_others(folder: Path, number: int, together: int) -> None:
    """Until so many trials have begun: with epochs of no time the first workers would leave the last ones nothing."""
    folder.mkdir(exist_ok=True)
    (folder / str(number)).touch()
    until = time.monotonic() + _PATIENCE_S
    while (begun := len([*folder.iterdir()])) < together:
        if time.monotonic() > until:
            raise TimeoutError(f"After {_PATIENCE_S} s {begun} of {together} trials have begun")
        time.sleep(0.2)


def our_place(config: dict[str, Any]) -> PlacementGroupFactory:
    """In place of `tuner._place`, by whose name a worker would import torch and all else that a training needs."""
    return PlacementGroupFactory([{"CPU": float(config["cpus"])}])


def search_plainly(asked: argparse.Namespace) -> Measured:
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    plainly = tune.Tuner(
        tune.with_resources(tune.with_parameters(plain_trial, epochs=asked.epochs), {"cpu": 1}),
        param_space={"trial": tune.grid_search(list(range(asked.trials)))},
        tune_config=TuneConfig(
            metric="val_loss",
            mode="min",
            scheduler=ASHAScheduler(
                time_attr="epoch", max_t=asked.epochs, grace_period=GRACE_EPOCHS, reduction_factor=REDUCTION_FACTOR
            ),
            max_concurrent_trials=asked.nodes * asked.slots,
            reuse_actors=True,
        ),
        run_config=RunConfig(name="plain", storage_path=str(asked.out.resolve() / "plain"), verbose=0),
    )
    with measured() as found:
        results = plainly.fit()
    ray.shutdown()
    return {**found, "reports": sum(result.metrics["training_iteration"] for result in results)}


def search_with_ours(asked: argparse.Namespace) -> Measured:
    words = ["--trials", str(asked.trials), "--epochs", str(asked.epochs), "--metric", "val_loss", "--quiet"]
    concurrent = str(asked.nodes * asked.slots)
    words += ["--out", str(asked.out / "ours"), "--concurrent", concurrent, "--promote", "2"]
    flags = read_flags(words)
    plan = make_plan(flags, space_of(flags))
    assert plan is not None
    ours = patch.multiple(tuner, run_trial=partial(our_trial, together=asked.together), _place=our_place)
    with session(plan) as (slots, spending), ours:
        begin(plan)
        started = time.time()
        with measured() as found:
            trials = tuner.search(plan, slots, spending)
    begun = sorted(path.stat().st_mtime for path in (plan.search.path / _BEGUN).iterdir())
    begun_s = begun[asked.together - 1] - started
    return {**found, "begun_s": begun_s, "reports": sum(trial.epoch for trial in trials)}


@contextmanager
def measured() -> Iterator[Measured]:
    """What this process took meanwhile."""
    before, started, before_mb = psutil.Process().cpu_times(), time.monotonic(), peak_mb()
    found: Measured = {}
    yield found
    after = psutil.Process().cpu_times()
    found["cpu_s"] = after.user + after.system - before.user - before.system
    found["seconds"] = time.monotonic() - started
    found["memory_mb"] = peak_mb()
    found["added_mb"] = found["memory_mb"] - before_mb


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--slots", type=int, default=4, help="of each node")
    parser.add_argument("--together", type=int, default=1, help="ours: none reports before so many have begun")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.variant:
        print(json.dumps({"plain": search_plainly, "ours": search_with_ours}[asked.variant](asked)))
        return
    table = pd.DataFrame([one(asked, variant) for variant in VARIANTS]).set_index("variant")
    table = table.astype(float)
    table["cpu_ms_a_report"] = 1000 * table["cpu_s"] / table["reports"]
    table.loc["ours / plain"] = table.loc["ours"] / table.loc["plain"]
    print(table.round(2).to_string())


def one(asked: argparse.Namespace, variant: str) -> dict[str, Any]:
    """A variant in a process of its own, on a cluster of its own."""
    folder = tempfile.mkdtemp(prefix="scale", dir="/tmp")  # or every `ray.init()` of this machine would find it
    os.environ["RAY_TMPDIR"] = folder
    simulated = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(asked.nodes):
            simulated.add_node(num_cpus=asked.slots)
        simulated.wait_for_nodes()
        words = [
            f"--{name}={getattr(asked, name)}" for name in ("out", "trials", "epochs", "nodes", "slots", "together")
        ]
        command = [sys.executable, "-m", "benchmarks.scale", "--variant", variant, *words]
        known = {**os.environ, "RAY_ADDRESS": simulated.address, "RAY_AIR_NEW_OUTPUT": "0"}
        said = subprocess.run(command, env=known, check=True, stdout=subprocess.PIPE, text=True).stdout
    finally:
        simulated.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    return {"variant": variant, **json.loads(said.splitlines()[-1])}


if __name__ == "__main__":
    main()
