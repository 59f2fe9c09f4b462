"""All folds of the promoted trials, side by side on the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cluster import several_gpus
from cluster.board.trial_page import promoted_pages
from cluster.errors import SearchFailed
from cluster.failures import Attempts, note_preemption
from cluster.plan import Plan
from cluster.promotion import backbones, ruled_out
from cluster.ranking import keep_probs_of_the_search, rank
from cluster.resources import Resources, Slots
from cluster.spending import Spending
from cluster.tasks import check_tried_again, node_died, remote, until_done
from trainables.bar import bar
from trainables.files import load_array, save_json
from trainables.member import Member, Pair, pairs_of
from trainables.train import train_fold
from trainables.trial import Trial, load_epochs, load_recipe


def promote(plan: Plan, slots: Resources, spending: Spending, trials: list[Trial]) -> list[Member]:
    """Pick the best trials and train what they lack of their folds; returns the ensemble's members, best first.

    Fold 0 is not trained again: a trial that ASHA stopped goes on from its checkpoint. The losers' weights go.
    With `--adaptive` the folds are trained one after the other, and members drop out between them (`ruled_out`). Whom
    a budget has no room for is left out. Where a trial of a diagonal diverges, another one takes its fold.
    """
    reached = rank(plan, trials)
    promoted = _promoted(plan, trials, reached)
    members, dropped = spending.afforded(promoted), dict[Member, int]()
    keep_probs_of_the_search(plan, members)
    _forget_losers(plan, trials, reached, [*promoted, *members])
    for folds in plan.stages:
        of_folds = f", folds {folds[0]}-{folds[-1]}" if plan.adaptive else ""
        train_folds(plan, slots, spending, members, folds, f"promotion{of_folds}")
        members = whole(plan, members, folds.stop, "replaced there" if plan.promotion.replaces else "not promoted")
        if not members:
            if _promoted(plan, trials, reached) != promoted:
                return promote(plan, slots, spending, trials)
            raise SearchFailed(
                "No promoted trial has a net for every fold, as the notes above say; --resume with a greater budget "
                "trains what had no time left, and where trials diverged another --seed or a tamer space may help"
            )
        for member in _ruled_out(plan, members, folds.stop) if plan.adaptive else []:
            members.remove(member)
            dropped[member] = folds.stop
    save_json(plan.search.promoted, [member.stored for member in members])
    save_json(plan.search.dropped, [{"trial": each.stored, "after_folds": count} for each, count in dropped.items()])
    return members


def _promoted(plan: Plan, trials: list[Trial], reached: dict[int, int]) -> list[Member]:
    """By the search's ranking, and by what has diverged in promotion so far."""
    return plan.promotion.members(reached, backbones(trials), lambda pair: _diverged(plan, *pair))


def _forget_losers(plan: Plan, trials: list[Trial], reached: dict[int, int], kept: list[Member]) -> None:
    """By what the search decided: who is trained again after a loss of files may look worse than it was."""
    wanted = pairs_of(kept, range(plan.folds.count))
    for trial in trials:
        ended = trial.number in reached or trial.status == "diverged"
        if ended and trial.status != "cut":  # a greater budget may go on with it
            for fold in range(plan.folds.count):  # of a longer search, one that was promoted may be a loser now
                if (trial.number, fold) not in wanted:
                    plan.store.forget(trial.number, fold)


def train_folds(
    plan: Plan, slots: Resources, spending: Spending, members: list[Member], folds: range, title: str
) -> None:
    """What the members lack of these folds. Where time runs out, those that are not whole by then are given up."""
    pairs = pairs_of(members, folds)

    def epochs_done() -> int:
        return sum(len(load_epochs(plan.search.trial(number).fold(fold))) for number, fold in pairs)

    lost: set[Pair] = set()

    def given_up(left: list[Pair]) -> list[Pair]:
        spending.look()
        done = [member for member in members if not {*member.pairs} & {*left, *lost}]
        wanted = done or members[:1]  # one is trained to its end in any case
        if not spending.training_must_end(wanted):
            return []
        gone = [pair for pair in left if pair not in pairs_of(wanted, folds)]
        lost.update(gone)
        return gone

    def look(_done: int) -> None:
        update(epochs_done(), len(pairs) * plan.epochs)
        show()

    numbers = [number for number, _ in pairs]
    with bar(f"{title}, epochs", plan.quiet) as update, promoted_pages(plan, numbers) as show:
        left = [pair for pair in pairs if not plan.is_trained(*pair)]
        _run(plan, slots.of_folds, left, look, given_up)


def _ruled_out(plan: Plan, members: list[Member], count: int) -> list[Member]:
    """Whom the first `count` folds rule out, fold 0 aside; after the last fold nothing is saved, and nobody is."""
    if count == plan.folds.count:
        return []
    rows = [plan.folds.split(fold)[1] for fold in range(1, count)]
    probs = {
        member: np.concatenate([load_array(plan.search.trial(n).fold(f).pred_probs) for n, f in member.pairs[1:count]])
        for member in members
    }
    out = ruled_out(probs, plan.data.labels[np.concatenate(rows)], plan.metric)
    for member in out:
        print(f"note: trial {member} is ruled out after {count} of {plan.folds.count} folds")
    return out


def _run(
    plan: Plan,
    slots: Resources,
    pairs: list[Pair],
    look: Callable[[int], None],
    given_up: Callable[[list[Pair]], list[Pair]],
) -> None:
    """A task for each trial and fold, on what its recipe has a trial get, until all are done or given up."""
    attempts = Attempts()
    wanted = {pair: slots.of(load_recipe(plan.search.trial(pair[0]))) for pair in pairs}
    until_done(
        plan.store,
        wanted,
        _starter(plan, slots.usual, wanted),
        fetch=lambda pair: plan.store.fetch(*pair),
        fetch_running=plan.store.fetch_running,
        failed=lambda pair, error, since: _check_tried_again(plan, attempts, error, pair, since),
        look=look,
        given_up=given_up,
        # Ray queues what does not fit; but who waits for several processes is one itself.
        at_once=slots.usual.concurrent if slots.usual.processes > 1 else None,
    )


def _starter(plan: Plan, usual: Slots, wanted: Mapping[Pair, Slots]) -> Callable[[Pair], Any]:
    if usual.processes > 1:
        return several_gpus.starter(plan, usual)
    setting = plan.setting(usual)

    def start(pair: Pair) -> Any:
        cpus, gpus = wanted[pair].cpus, wanted[pair].gpus
        return remote(train_fold, wanted[pair]).remote(plan.place, plan.search, *pair, setting.on(cpus, gpus))

    return start


def _check_tried_again(plan: Plan, attempts: Attempts, error: Exception, pair: Pair, since: float) -> None:
    """`SearchFailed` where a fold that failed is not to be tried again."""
    rows = load_epochs(plan.search.trial(pair[0]).fold(pair[1]))
    attempts.reached(pair, len(rows))
    if node_died(error):
        last = float(rows["ended_at"].iloc[-1]) if len(rows) else since
        note_preemption(plan.search, *pair, len(rows), time.time() - max(since, last))
    check_tried_again(attempts, pair, error, "A fold")


def _diverged(plan: Plan, number: int, fold: int) -> bool:
    epochs = load_epochs(plan.search.trial(number).fold(fold))
    return bool(len(epochs) and epochs["diverged"].iloc[-1])


def whole(plan: Plan, members: list[Member], count: int, fate: str) -> list[Member]:
    """Those that have a net for each of the first `count` folds; a trial that diverged is named, with its `fate`."""
    found = []
    for member in members:
        lacking = [pair for pair in member.pairs[:count] if not plan.is_trained(*pair)]
        for number in dict.fromkeys(number for number, _ in lacking):
            folds = [fold for each, fold in lacking if each == number]
            why = "diverged" if any(_diverged(plan, number, fold) for fold in folds) else "had no time left"
            print(f"note: trial {number:03d} {why} on fold {', '.join(map(str, folds))} and is {fate}")
        if not lacking:
            found.append(member)
    return found
