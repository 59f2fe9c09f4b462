"""The search itself: Ray Tune runs the trials that have not ended, ASHA stops the losers."""

from __future__ import annotations

import time
from typing import Any

from ray import tune
from ray.exceptions import OutOfMemoryError
from ray.tune import FailureConfig, PlacementGroupFactory, RunConfig, TuneConfig
from ray.tune.experiment import Trial as RayTrial
from ray.tune.stopper import CombinedStopper

from cluster.asha import Asha, Report, RungTable
from cluster.board.board import Board
from cluster.errors import SearchFailed
from cluster.failures import SAME_CAUSE, Attempts, Failures
from cluster.housekeeping import Housekeeping
from cluster.plan import Plan
from cluster.preview import write_forecast
from cluster.progress import SearchProgress
from cluster.resources import Resources
from cluster.searcher import Proposals
from cluster.spending import Spending
from cluster.tracking import trackers
from cluster.waiting import Waiting
from trainables.files import load_json
from trainables.ray_trial import run_trial
from trainables.trial import Trial, load_epochs, load_trials


def search(plan: Plan, slots: Resources, spending: Spending) -> list[Trial]:
    """Run trials until as many as asked for are judged or the budget ends them; returns all, as their folders tell.

    A search that was interrupted goes on here: ended trials keep their results, the rungs are as they were, and an
    unfinished trial continues from its checkpoint. Failed trials are tried again; those that fail or diverge here are
    replaced by further recipes.
    """
    table = _rungs(plan)
    write_forecast(plan, slots)
    spending.open_search()
    if not spending.over:
        for number in plan.search.trial_numbers():
            plan.search.trial(number).error.unlink(missing_ok=True)
    board, attempts = Board(plan), Attempts()
    while True:
        proposals = Proposals(plan, slots, spending.has_room_for)
        failures = Failures(plan.search, proposals)
        if spending.over or _tune(plan, slots, table, proposals, failures, spending, board):
            break
        _check_memory(plan, attempts)
    if proposals.passed_over and not plan.quiet:
        print("note: recipes too slow for the time budget were not begun")
    if proposals.out_of_room:
        spending.end()
    spending.close_search()
    board.close()
    trials = load_trials(plan.search)
    _check_ended(plan, trials, failures.repeated, proposals.finished or spending.over)
    return trials


def _rungs(plan: Plan) -> RungTable:
    """ASHA's table as the search left it, or as its trials tell."""
    promoted = load_json(plan.search.standings) if plan.search.standings.exists() else []
    left_at = {row["trial"]: row["epoch"] for row in promoted}  # promotion trains on
    try:
        if plan.search.rungs.exists() or not plan.resume:
            return RungTable.open(plan.search.rungs, plan.metric, plan.rungs)
    except (ValueError, KeyError, TypeError, AttributeError):  # no JSON, or JSON of another shape
        pass
    print(f"note: {plan.search.rungs} is lost or torn; it is rebuilt from the trials")
    reports = [
        Report(number, int(row["epoch"]), float(row[plan.metric]), float(row["ended_at"]))
        for number in plan.search.trial_numbers()
        if not plan.search.trial(number).error.exists()
        for row in load_epochs(plan.search.trial(number).fold(0)).to_dict("records")
        if not row["diverged"] and row["epoch"] <= left_at.get(number, plan.epochs)
    ]
    return RungTable.rebuilt(plan.search.rungs, plan.metric, plan.rungs, reports)


def _tune(
    plan: Plan,
    slots: Resources,
    table: RungTable,
    proposals: Proposals,
    failures: Failures,
    spending: Spending,
    board: Board,
) -> bool:
    """Whether it ended: where a machine's memory is full, Ray ends a trial, and Ray Tune all of them with it."""
    trainable = tune.with_parameters(
        run_trial,
        data=plan.place,
        out=plan.search.path,
        setting=plan.setting(slots.usual),
    )
    progress = SearchProgress(plan.search, plan.trials, plan.recipes, table, plan.quiet)
    tuner = tune.Tuner(
        tune.with_resources(trainable, _place),
        tune_config=TuneConfig(
            search_alg=proposals,
            num_samples=-1,  # `proposals` knows when it is enough
            scheduler=Asha(table, plan.store, spending.too_slow),
            max_concurrent_trials=slots.concurrent,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=RunConfig(
            name=time.strftime("%Y%m%d-%H%M%S"),
            storage_path=str(plan.search.ray),
            callbacks=[failures, progress, spending, board, Housekeeping(plan, proposals), Waiting(), *trackers(plan)],
            stop=CombinedStopper(failures, spending),
            failure_config=FailureConfig(max_failures=0),  # `failures` has them tried again
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except RuntimeError as error:
        if not isinstance(error.__cause__, OutOfMemoryError):
            raise
        return False
    finally:
        progress.close()
    return True


def _check_memory(plan: Plan, attempts: Attempts) -> None:
    """The trials go on from their checkpoints, unless that is no use."""
    attempts.reached("search", sum(trial.epoch for trial in load_trials(plan.search)))
    if not attempts.another("search", node_died=False):
        raise SearchFailed(
            "The memory of a machine is full again and again, before an epoch ends. Go on with fewer trials at once\n"
            f"(--concurrent N), or smaller ones, and:\n  {plan.command} --resume"
        )
    print("note: the memory of a machine was full, and Ray ended a trial there; all go on from their checkpoints")


def _place(config: dict[str, Any]) -> PlacementGroupFactory:
    """What Ray is to give a trial: its own share, all of it on one node."""
    bundle = {"CPU": config["cpus"], "GPU": config["gpus"]}
    return PlacementGroupFactory([{name: float(each) for name, each in bundle.items() if each}])


def _name(trial: RayTrial) -> str:
    return f"trial_{trial.config['trial']:03d}"


def _check_ended(plan: Plan, trials: list[Trial], repeated: str | None, ended: bool) -> None:
    resume = f"{plan.command} --resume"
    if repeated:
        raise SearchFailed(
            f"{SAME_CAUSE} trials in a row failed for the same cause; once it is mended go on with\n"
            f"  {resume}\nThe cause:\n{repeated}"
        )
    if not ended:
        raise SearchFailed(f"The search was interrupted before its last trial; go on with:\n  {resume}")
    if not any(trial.judged for trial in trials):
        failed = [trial for trial in trials if trial.status == "failed"]
        cause = (
            plan.search.trial(failed[0].number).error.read_text()
            if failed
            else "they diverged, or were cut before their first epoch"
        )
        raise SearchFailed(f"None of {len(trials)} trials could be judged. The first cause:\n{cause}")
