"""The search itself: Ray Tune runs the trials that have not ended, ASHA stops the losers."""

from __future__ import annotations

import time

from ray import tune
from ray.tune import FailureConfig, RunConfig, TuneConfig
from ray.tune.experiment import Trial as RayTrial

from cluster.asha import Asha, Report, RungTable
from cluster.failures import SAME_CAUSE, Failures
from cluster.housekeeping import Housekeeping
from cluster.plan import Plan
from cluster.progress import SearchProgress
from cluster.resources import Slots
from search_spaces import InputError, Recipe
from trainables.layout import load_json, save_json
from trainables.ray_trial import run_trial
from trainables.trial import Trial, load_epochs, load_trial, load_trials

ATTEMPTS_AFTER_A_CRASH = 2


class SearchFailed(RuntimeError):
    """No trial could be judged, or the search was interrupted. Nothing that was trained is lost."""


def search(plan: Plan, slots: Slots) -> list[Trial]:
    """Run trials until as many as asked for are judged, and return all of them as their folders tell.

    A search that was interrupted goes on here: ended trials keep their results, the rungs are as they were, and an
    unfinished trial continues from its checkpoint. Failed trials are tried again; those that fail or diverge here are
    replaced by the next recipes of the space.
    """
    table = _rungs(plan)
    for trial in load_trials(plan.search):
        if trial.status == "failed":
            rows = trial.epochs.to_dict("records")  # none, where it failed in its first epoch
            table.readmit(trial.number, {row["epoch"]: row[plan.metric] for row in rows})
            plan.search.trial(trial.number).error.unlink()
    while True:
        waiting = [trial.number for trial in load_trials(plan.search) if trial.status == "unfinished"]
        repeated = _tune(plan, slots, table, waiting) if waiting else None
        trials = load_trials(plan.search)
        _check_ended(plan, trials, repeated)
        replacements = _replacements(plan, trials)
        if not replacements:
            _check_judged(plan, trials)
            return trials
        for number, recipe in enumerate(replacements, start=len(trials)):
            save_json(plan.search.trial(number).recipe, recipe.to_dict())


def _rungs(plan: Plan) -> RungTable:
    """ASHA's table as the search left it, or as its trials tell."""
    promoted = load_json(plan.search.standings) if plan.search.standings.exists() else []
    left_at = {row["trial"]: row["epoch"] for row in promoted}  # promotion trains on
    try:
        if plan.search.rungs.exists() or not plan.resume:
            return RungTable.open(plan.search.rungs, plan.metric, plan.rungs)
    except (ValueError, KeyError):
        pass
    print(f"note: {plan.search.rungs} is lost or torn; it is rebuilt from the trials")
    reports = [
        Report(number, int(row["epoch"]), float(row[plan.metric]), float(row["ended_at"]))
        for number in plan.search.trial_numbers()
        for row in load_epochs(plan.search.trial(number).fold(0)).to_dict("records")
        if not row["diverged"] and row["epoch"] <= left_at.get(number, plan.epochs)
    ]
    return RungTable.rebuilt(plan.search.rungs, plan.metric, plan.rungs, reports)


def _replacements(plan: Plan, trials: list[Trial]) -> list[Recipe]:
    """The next recipes, for trials that could not be judged; never more of them than trials were asked for.

    A space that has no further recipe, a grid for one, has no replacements.
    """
    asked = len(plan.recipes)
    lacking = min(asked - sum(trial.judged for trial in trials), 2 * asked - len(trials))
    try:
        return plan.space.recipes(len(trials) + lacking, plan.seed)[len(trials) :] if lacking > 0 else []
    except InputError:
        return []


def _tune(plan: Plan, slots: Slots, table: RungTable, waiting: list[int]) -> str | None:
    """Run these trials; returns the cause where the same one ended several in a row."""
    recipes = [load_trial(plan.search, number).recipe for number in plan.search.trial_numbers()]
    ended = [number for number in range(len(recipes)) if number not in waiting]
    failures = Failures(plan.search)
    tidy = Housekeeping(plan.search, plan.promote, plan.metric)
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
            callbacks=[SearchProgress(recipes, ended, table, slots.concurrent, plan.quiet), failures, tidy],
            stop=failures,
            failure_config=FailureConfig(max_failures=ATTEMPTS_AFTER_A_CRASH),
            verbose=0,
        ),
    ).fit()
    for result in results:
        if result.error and result.config:
            plan.search.trial(result.config["trial"]).error.write_text(str(result.error))
    return failures.repeated


def _name(trial: RayTrial) -> str:
    return f"trial_{trial.config['trial']:03d}"


def _check_ended(plan: Plan, trials: list[Trial], repeated: str | None) -> None:
    resume = f"{plan.command} --resume"
    if repeated:
        raise SearchFailed(
            f"{SAME_CAUSE} trials in a row failed for the same cause; once it is mended go on with\n"
            f"  {resume}\nThe cause:\n{repeated}"
        )
    unfinished = [trial for trial in trials if trial.status == "unfinished"]
    if unfinished:
        raise SearchFailed(f"The search was interrupted with {len(unfinished)} trials to go; go on with:\n  {resume}")


def _check_judged(plan: Plan, trials: list[Trial]) -> None:
    if not any(trial.judged for trial in trials):
        failed = [trial for trial in trials if trial.status == "failed"]
        cause = plan.search.trial(failed[0].number).error.read_text() if failed else "every trial diverged"
        raise SearchFailed(f"None of {len(trials)} trials could be judged. The first cause:\n{cause}")
