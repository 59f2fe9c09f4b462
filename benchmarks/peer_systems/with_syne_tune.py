"""Syne Tune's ASHA on its local back end, which starts a process for every trial."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from benchmarks.peer_systems.work import METRIC, Work

SLEEP_S = 0.2
"""Between two looks at the trials; its default, 5 s, is for trainings of hours."""


def train_reporting(work: Work, number: int) -> None:
    """One trial, in the process that Syne Tune started for it."""
    from syne_tune import Reporter

    report = Reporter()
    for row in work.train(number):
        report(epoch=row["epoch"], **{METRIC: row[METRIC]})


def main(path: Path) -> None:
    work = Work.load(path)
    os.environ["SYNETUNE_FOLDER"] = str(work.out / "syne_tune")
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import randint
    from syne_tune.optimizer.baselines import ASHA

    logging.getLogger().setLevel(logging.ERROR)
    scheduler = ASHA(
        {"trial": randint(0, work.trials - 1), "work": str(path)},
        metric=METRIC,
        time_attr="epoch",
        max_t=work.epochs,
        grace_period=work.grace,
        reduction_factor=work.factor,
        random_seed=work.seed,
        points_to_evaluate=[{"trial": number} for number in range(work.trials)],
    )
    tuner = Tuner(
        trial_backend=LocalBackend(entry_point=__file__),
        scheduler=scheduler,
        stop_criterion=StoppingCriterion(max_num_trials_started=work.trials),
        n_workers=work.slots,
        sleep_time=SLEEP_S,
        results_update_interval=SLEEP_S,
        wait_trial_completion_when_stopping=True,
        save_tuner=False,
    )
    tuner.run()
    number = tuner.best_config(METRIC)[1]["trial"]
    work.pick(number, work.fold(number))


if __name__ == "__main__":
    if sys.argv[1].startswith("--"):
        parser = argparse.ArgumentParser()
        parser.add_argument("--trial", type=int)
        parser.add_argument("--work", type=Path)
        asked, _ = parser.parse_known_args()
        train_reporting(Work.load(asked.work), asked.trial)
    else:
        main(Path(sys.argv[1]))
