"""The search itself: Ray Tune runs the trials that have not ended, ASHA stops the losers."""

from __future__ import annotations

import time

from ray import tune
from ray.tune import FailureConfig, RunConfig, TuneConfig
from ray.tune.experiment import Trial as RayTrial

from cluster.asha import Asha, RungTable
from cluster.plan import Plan
from cluster.progress import SearchProgress
from cluster.resources import Slots
from trainables.ray_trial import run_trial
from trainables.trial import Trial, load_trials

ATTEMPTS_AFTER_A_CRASH = 2


class SearchFailed(RuntimeError):
    """No trial could be judged, or the search was interrupted. Nothing that was trained is lost."""


def search(plan: Plan, slots: Slots) -> list[Trial]:
    """Run every trial that has not ended, and return all of them as their folders tell.

    A search that was interrupted goes on here: ended trials keep their results, the rungs are as they were, and an
    unfinished trial continues from its checkpoint.
    """
    waiting = [trial.number for trial in load_trials(plan.search) if trial.status in ("unfinished", "failed")]
    if waiting:
        for number in waiting:
            plan.search.trial(number).error.unlink(missing_ok=True)
        _tune(plan, slots, waiting)
    trials = load_trials(plan.search)
    _check_ended(plan, trials)
    return trials


def _tune(plan: Plan, slots: Slots, waiting: list[int]) -> None:
    table = RungTable.open(plan.search.rungs, plan.metric, plan.rungs)
    ended = [number for number in range(len(plan.recipes)) if number not in waiting]
    trainable = tune.with_parameters(
        run_trial,
        data_root=plan.data_root,
        out=plan.search.path,
        setting=plan.setting(slots),
    )
    results = tune.Tuner(
        tune.with_resources(trainable, slots.ray()),
        param_space={"trial": tune.grid_search(waiting)},
        tune_config=TuneConfig(
            scheduler=Asha(table),
            max_concurrent_trials=slots.concurrent,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=RunConfig(
            name=time.strftime("%Y%m%d-%H%M%S"),
            storage_path=str(plan.search.ray),
            callbacks=[SearchProgress(plan.recipes, ended, table, slots.concurrent, plan.quiet)],
            failure_config=FailureConfig(max_failures=ATTEMPTS_AFTER_A_CRASH),
            verbose=0,
        ),
    ).fit()
    for result in results:
        if result.error and result.config:
            plan.search.trial(result.config["trial"]).error.write_text(str(result.error))


def _name(trial: RayTrial) -> str:
    return f"trial_{trial.config['trial']:03d}"


def _check_ended(plan: Plan, trials: list[Trial]) -> None:
    resume = f"{plan.command} --resume"
    unfinished = [trial for trial in trials if trial.status == "unfinished"]
    if unfinished:
        raise SearchFailed(f"The search was interrupted with {len(unfinished)} trials to go; go on with:\n  {resume}")
    if not any(trial.judged for trial in trials):
        failed = [trial for trial in trials if trial.status == "failed"]
        cause = plan.search.trial(failed[0].number).error.read_text() if failed else "every trial diverged"
        raise SearchFailed(f"None of {len(trials)} trials could be judged. The first cause:\n{cause}")
