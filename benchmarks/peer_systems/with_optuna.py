"""Optuna with `SuccessiveHalvingPruner`, and as many processes as there are slots on one journal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
from optuna.pruners import SuccessiveHalvingPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.peer_systems.work import METRIC, Work


def study_of(work: Work) -> optuna.Study:
    """The study that all processes share."""
    return optuna.create_study(
        study_name="peers",
        storage=JournalStorage(JournalFileBackend(str(work.out / "journal.log"))),
        pruner=SuccessiveHalvingPruner(min_resource=work.grace, reduction_factor=work.factor),
        direction="minimize",
        load_if_exists=True,
    )


def optimize(work: Work) -> None:
    """One process: trials, one after the other, until none is left."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number >= work.trials:
            trial.study.stop()
            raise optuna.TrialPruned
        value = float("nan")
        for row in work.train(trial.number):
            value = row[METRIC]
            trial.report(value, row["epoch"])
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study_of(work).optimize(objective)


def main(work: Work, path: Path) -> None:
    study = study_of(work)
    words = [sys.executable, "-m", "benchmarks.peer_systems.with_optuna", str(path), "worker"]
    workers = [subprocess.Popen(words) for _ in range(work.slots - 1)]
    optimize(work)
    if any(worker.wait() for worker in workers):
        raise SystemExit("a worker of Optuna's failed")
    number = study.best_trial.number
    work.pick(number, work.fold(number))


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if sys.argv[2:] == ["worker"]:
        optimize(Work.load(Path(sys.argv[1])))
    else:
        main(Work.load(Path(sys.argv[1])), Path(sys.argv[1]))
