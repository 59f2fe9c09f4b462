"""All folds of the promoted trials, side by side on the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.failures import Attempts, note_preemption
from cluster.plan import Plan
from cluster.promotion import best, ruled_out, standings
from cluster.resources import Resources
from cluster.spending import Spending
from cluster.tasks import check_tried_again, node_died, remote, until_done
from cluster.tuner import SearchFailed
from trainables.bar import bar
from trainables.comparison import compare
from trainables.data.place import DataPlace
from trainables.layout import SearchFolder, load_array, load_json, save_array, save_json
from trainables.scores import goods_by_image
from trainables.setting import Setting
from trainables.train import train_in_search
from trainables.trial import Trial, load_epochs, load_recipe

_Pair = tuple[int, int]
"""A trial and a fold."""


def promote(plan: Plan, slots: Resources, spending: Spending, trials: list[Trial]) -> list[int]:
    """Pick the best trials and train what they lack of all folds; returns their numbers, best first.

    Fold 0 is not trained again: a trial that ASHA stopped goes on from its checkpoint. The losers' weights go.
    With `--adaptive` the folds are trained one after the other, and members drop out between them (`ruled_out`). Whom
    a time budget has no room for is left out.
    """
    promoted = spending.afforded(_stand(plan, trials))
    _keep_probs_of_the_search(plan, promoted)
    _forget_losers(plan, trials)
    members, dropped = promoted, {}
    for folds in plan.stages:
        of_folds = f", folds {folds[0]}-{folds[-1]}" if plan.adaptive else ""
        train_folds(plan, slots, spending, members, folds, f"promotion{of_folds}")
        members = whole(plan, members, folds.stop, "not promoted")
        if not members:
            raise SearchFailed("Every promoted trial diverged on some fold; try another --seed or a tamer space")
        for number in _ruled_out(plan, members, folds.stop) if plan.adaptive else []:
            members.remove(number)
            dropped[number] = folds.stop
    save_json(plan.search.promoted, members)
    save_json(plan.search.dropped, [{"trial": number, "after_folds": count} for number, count in dropped.items()])
    return members


def _forget_losers(plan: Plan, trials: list[Trial]) -> None:
    """By what the search decided: who is trained again after a loss of files may look worse than it was."""
    ranked = [row["trial"] for row in load_json(plan.search.standings)]
    gone = {*ranked[plan.promote :], *(trial.number for trial in trials if trial.status == "diverged")}
    for trial in trials:
        if trial.number in gone and trial.status != "cut":  # a greater budget may go on with it
            for fold in range(plan.folds.count):  # of a longer search, one that was promoted may be a loser now
                plan.store.forget(trial.number, fold)


def train_folds(plan: Plan, slots: Resources, spending: Spending, members: list[int], folds: range, title: str) -> None:
    """What the members lack of these folds. Where time runs out, those that are not whole by then are given up."""
    pairs = [(number, fold) for number in members for fold in folds]

    def epochs_done() -> int:
        return sum(len(load_epochs(plan.search.trial(number).fold(fold))) for number, fold in pairs)

    def given_up(left: list[_Pair]) -> list[_Pair]:
        spending.look()
        done = [member for member in members if all(number != member for number, _ in left)]
        wanted = done or members[:1]
        return [pair for pair in left if pair[0] not in wanted] if spending.training_must_end(wanted) else []

    with bar(f"{title}, epochs", plan.quiet) as update:
        left = [(number, fold) for number, fold in pairs if not _is_trained(plan, number, fold)]
        _run(plan, slots, left, lambda _done: update(epochs_done(), len(pairs) * plan.epochs), given_up)


def _ruled_out(plan: Plan, members: list[int], count: int) -> list[int]:
    """Whom the first `count` folds rule out, fold 0 aside; after the last fold nothing is saved, and nobody is."""
    if count == plan.folds.count:
        return []
    rows = [plan.folds.split(fold)[1] for fold in range(1, count)]
    probs = {
        number: np.concatenate([load_array(plan.search.trial(number).fold(f).pred_probs) for f in range(1, count)])
        for number in members
    }
    out = ruled_out(probs, plan.data.labels[np.concatenate(rows)], plan.metric)
    for number in out:
        print(f"note: trial {number:03d} is ruled out after {count} of {plan.folds.count} folds")
    return out


def _stand(plan: Plan, trials: list[Trial]) -> list[int]:
    """Who is promoted, decided once: a promoted trial that goes on is no longer what was compared.

    Anew where the search went on since: with trials that were not compared, or further than they were.
    """
    judged = standings(trials, plan.metric)
    ranked = best(judged, len(judged))
    stored = load_json(plan.search.standings) if plan.search.standings.exists() else []
    known = {row["trial"]: row["epoch"] for row in stored}
    if any(standing.epoch > known.get(standing.number, -1) for standing in judged):
        labels = plan.data.labels[plan.folds.split(0)[1]]
        probs = {number: _probs_of_the_search(plan, number) for number in ranked}
        goods = {number: goods_by_image(plan.metric, each, labels) for number, each in probs.items()}
        epochs = {standing.number: standing.epoch for standing in judged}
        save_json(plan.search.standings, compare(ranked, epochs, goods, plan.promote))
    rows = load_json(plan.search.standings)
    for row in rows:
        if row["cut_is_tie"] and not plan.quiet:
            print(f"note: trial {row['trial']:03d} is not promoted, but tied with the last that is; see --promote")
    return [row["trial"] for row in rows][: plan.promote]


def _probs_of_the_search(plan: Plan, number: int) -> NDArray[np.floating]:
    """Fold 0's probabilities when the search left a trial; a promoted one may have gone on since."""
    folder = plan.search.trial(number).fold(0)
    return load_array(folder.search_probs if folder.search_probs.exists() else folder.pred_probs)


def _keep_probs_of_the_search(plan: Plan, promoted: list[int]) -> None:
    for number in promoted:
        folder = plan.search.trial(number).fold(0)
        if not folder.search_probs.exists():
            save_array(folder.search_probs, load_array(folder.pred_probs))


def _run(
    plan: Plan,
    slots: Resources,
    pairs: list[_Pair],
    look: Callable[[int], None],
    given_up: Callable[[list[_Pair]], list[_Pair]],
) -> None:
    """A task for each trial and fold, on what its recipe has a trial get, until all are done or given up."""
    attempts, setting = Attempts(), plan.setting(slots.usual)
    wanted = {pair: slots.of(load_recipe(plan.search.trial(pair[0]))) for pair in pairs}

    def start(pair: _Pair) -> Any:
        cpus, gpus = wanted[pair].cpus, wanted[pair].gpus
        return remote(_train_fold, wanted[pair]).remote(plan.place, plan.search.path, setting.on(cpus, gpus), *pair)

    until_done(
        plan.store,
        wanted,
        start,
        fetch=lambda pair: plan.store.fetch(*pair),
        fetch_running=plan.store.fetch_running,
        failed=lambda pair, error, since: _check_tried_again(plan, attempts, error, pair, since),
        look=look,
        given_up=given_up,
    )


def _check_tried_again(plan: Plan, attempts: Attempts, error: Exception, pair: _Pair, since: float) -> None:
    """`SearchFailed` where a fold that failed is not to be tried again."""
    rows = load_epochs(plan.search.trial(pair[0]).fold(pair[1]))
    attempts.reached(pair, len(rows))
    if node_died(error):
        last = float(rows["ended_at"].iloc[-1]) if len(rows) else since
        note_preemption(plan.search, *pair, len(rows), time.time() - max(since, last))
    check_tried_again(attempts, pair, error, "A fold")


def _train_fold(place: DataPlace, out: Path, setting: Setting, number: int, fold: int) -> None:
    for _row in train_in_search(place, SearchFolder(out), number, fold, setting):
        pass


def _is_trained(plan: Plan, number: int, fold: int) -> bool:
    trial = plan.search.trial(number)
    return trial.fold(fold).trained(load_recipe(trial))


def whole(plan: Plan, members: list[int], count: int, fate: str) -> list[int]:
    """Those that have a net for each of the first `count` folds; one that diverged is left out, and named."""
    found = []
    for number in members:
        folders = [plan.search.trial(number).fold(fold) for fold in range(count)]
        lacking = [fold for fold in range(count) if not _is_trained(plan, number, fold)]
        if lacking:
            epochs = [load_epochs(folders[fold]) for fold in lacking]
            why = "diverged" if any(len(each) and each["diverged"].iloc[-1] for each in epochs) else "had no time left"
            print(f"note: trial {number:03d} {why} on fold {', '.join(map(str, lacking))} and is {fate}")
        else:
            found.append(number)
    return found
