"""Ray Tune as its tutorial for PyTorch has it: a function that reports, `ASHAScheduler`, `Tuner.fit`, its best."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.tune import RunConfig, TuneConfig
from ray.tune.schedulers import ASHAScheduler

from benchmarks.peer_systems import work as shared
from benchmarks.peer_systems.work import METRIC, Work


def train_reporting(config: dict[str, Any], work: Work) -> None:
    for row in work.train(config["trial"]):
        tune.report({"epoch": row["epoch"], METRIC: row[METRIC]})


def main(work: Work) -> None:
    cloudpickle.register_pickle_by_value(shared)  # no package that Ray's workers could import
    ray.init(num_cpus=work.slots, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train_reporting, work=work), {"cpu": 1}),
        param_space={"trial": tune.grid_search(list(range(work.trials)))},
        tune_config=TuneConfig(
            metric=METRIC,
            mode="min",
            scheduler=ASHAScheduler(
                time_attr="epoch", max_t=work.epochs, grace_period=work.grace, reduction_factor=work.factor
            ),
        ),
        run_config=RunConfig(name="ray", storage_path=str(work.out), verbose=0),
    )
    best = tuner.fit().get_best_result()
    number = best.config["trial"]
    work.pick(number, work.fold(number))


if __name__ == "__main__":
    main(Work.load(Path(sys.argv[1])))
