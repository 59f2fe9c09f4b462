"""All folds of the promoted trials, and their test predictions, side by side on the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from cluster import several_gpus
from cluster.failures import Attempts, note_preemption
from cluster.plan import Plan
from cluster.promotion import best, ruled_out, standings
from cluster.resources import Resources, Slots
from cluster.spending import Spending
from cluster.tuner import SearchFailed
from cluster.waiting import Waiting
from trainables.bar import bar
from trainables.comparison import compare
from trainables.data.kaggle import load_data
from trainables.data.place import DataPlace
from trainables.data.skipped import load_skipped
from trainables.layout import SearchFolder, load_array, load_json, save_array, save_json
from trainables.memory import keep_to_share
from trainables.predict import predict_images
from trainables.scores import goods_by_image
from trainables.setting import Setting
from trainables.train import train_in_search
from trainables.trial import Trial, load_epochs, load_recipe
from trainables.view_means import mean_of_search
from trainables.working_copy import working_copy

_LOOK_EVERY_S = 1.0

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
        look = lambda _done: update(epochs_done(), len(pairs) * plan.epochs)  # noqa: E731
        _run(plan, slots.of_folds, left, _train_fold, look, given_up)


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


def predict_test(plan: Plan, slots: Resources, spending: Spending, members: list[int], best_trial: int) -> None:
    """Predict the test images with every fold net of the ensemble's members, and with the best trial's first."""
    pairs = [(number, fold) for number in members for fold in range(plan.folds.count)]
    pairs = list(dict.fromkeys([*pairs, (best_trial, 0)]))
    with bar("prediction, fold nets", plan.quiet) as update:
        left = [
            (number, fold) for number, fold in pairs if not plan.search.trial(number).fold(fold).test_probs.exists()
        ]

        def look(done: int) -> None:
            spending.look()
            update(done, len(left))

        _run(plan, slots, left, _predict_fold, look)


def _starter(
    plan: Plan, slots: Resources, wanted: Mapping[_Pair, Slots], function: Callable[..., None]
) -> Callable[[_Pair], Any]:
    """Starts a task for a trial and fold, on what its recipe has a trial get."""
    if slots.usual.processes > 1:
        return several_gpus.starter(plan, slots.usual)
    # What CUDA holds of a GPU's memory goes with its process only, so that takes one call there.
    remote = ray.remote(max_retries=0, max_calls=int(slots.usual.gpus > 0))(function)
    setting = plan.setting(slots.usual)

    def start(pair: _Pair) -> Any:
        cpus, gpus = wanted[pair].cpus, wanted[pair].gpus
        there = remote.options(num_cpus=cpus, num_gpus=gpus)
        return there.remote(plan.place, plan.search.path, setting.on(cpus, gpus), *pair)

    return start


def _run(
    plan: Plan,
    slots: Resources,
    pairs: list[_Pair],
    function: Callable[..., None],
    look: Callable[[int], None],
    given_up: Callable[[list[_Pair]], list[_Pair]] = lambda left: [],
) -> None:
    """A task for each trial and fold, until all are done or given up.

    One whose machine went or whose worker crashed is started again (`Attempts`). An error of its own ends it all, with
    its cause; what is trained stays trained.
    """
    plan.store.publish()
    attempts, waiting = Attempts(), Waiting()
    wanted = {pair: slots.of(load_recipe(plan.search.trial(pair[0]))) for pair in pairs}
    start = _starter(plan, slots, wanted, function)
    # Ray queues what does not fit; but who waits for several processes is one itself.
    at_once = slots.usual.concurrent if slots.usual.processes > 1 else len(pairs)
    queue = list(pairs)
    asked: dict[Any, tuple[_Pair, float]] = {}
    while queue or asked:
        for pair in queue[: at_once - len(asked)]:
            queue.remove(pair)
            asked[start(pair)] = (pair, time.time())
        done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK_EVERY_S)
        for task in done:
            pair, since = asked.pop(task)
            plan.store.fetch(*pair)
            error = _error(task)
            if error:
                _check_tried_again(plan, attempts, error, pair, since)
                asked[start(pair)] = (pair, time.time())
        for pair in given_up([*(pair for pair, _ in asked.values()), *queue]):
            queue = [each for each in queue if each != pair]
            for task in [task for task, (asked_for, _) in asked.items() if asked_for == pair]:
                ray.cancel(task, force=True)
                del asked[task]
        plan.store.fetch_running(pair for pair, _ in asked.values())
        plan.store.publish(soon=True)
        waiting.look(wanted[pair] for pair, _ in asked.values())
        look(len(pairs) - len(asked) - len(queue))


def _error(task: Any) -> Exception | None:
    try:
        ray.get(task)
    except ray.exceptions.RayError as error:
        failure: Exception = error
        return failure
    return None


def _check_tried_again(plan: Plan, attempts: Attempts, error: Exception, pair: _Pair, since: float) -> None:
    """`SearchFailed` where a fold that failed is not to be tried again."""
    rows = load_epochs(plan.search.trial(pair[0]).fold(pair[1]))
    attempts.reached(pair, len(rows))
    node_died = isinstance(error, ray.exceptions.NodeDiedError)
    crashed = isinstance(error, ray.exceptions.WorkerCrashedError | ray.exceptions.OutOfMemoryError)
    if node_died:
        last = float(rows["ended_at"].iloc[-1]) if len(rows) else since
        note_preemption(plan.search, *pair, len(rows), time.time() - max(since, last))
    if not (node_died or crashed) or not attempts.another(pair, node_died):
        raise SearchFailed(f"A fold failed; --resume goes on with what is trained. The cause:\n{error}")


def _train_fold(place: DataPlace, out: Path, setting: Setting, number: int, fold: int) -> None:
    for _row in train_in_search(place, SearchFolder(out), number, fold, setting):
        pass


def _predict_fold(place: DataPlace, out: Path, setting: Setting, number: int, fold: int) -> None:
    """A test image that cannot be read is answered too: by how common the classes are."""
    keep_to_share(setting.gpu_share)
    with working_copy(SearchFolder(out), number, fold, setting.bucket) as (here, publish):
        folder, data = here.trial(number).fold(fold), load_data(place.here(), load_skipped(here.skipped))
        readable = data.readable_tests
        paths = [path for path, there in zip(data.test_paths, readable, strict=True) if there]
        probs = np.tile(data.class_shares.astype(np.float32), (len(readable), 1))
        probs[readable] = predict_images(
            folder.nets(load_recipe(here.trial(number))),
            paths,
            threads=setting.threads,
            loader_workers=setting.loader_workers,
            mean=mean_of_search(here),
        )
        save_array(folder.test_probs, probs)
        publish()


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
