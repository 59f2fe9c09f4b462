import math
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ray.tune.schedulers.async_hyperband import _Bracket
from ray.tune.schedulers.trial_scheduler import TrialScheduler

from cluster.asha import Asha, Report, RungTable, goes_on, rung_epochs
from cluster.store import Store
from trainables.files import write_whole
from trainables.layout import SearchFolder


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(1, ()), (2, ()), (3, (2,)), (6, (2,)), (9, (2, 6)), (20, (2, 6, 18)), (19, (2, 6, 18))]
)
def test_rungs_are_grace_times_powers_below_the_end(epochs: int, rungs: tuple[int, ...]) -> None:
    assert rung_epochs(epochs) == rungs


def test_an_exact_top_rung_is_kept() -> None:
    # Ray's class loses 243 here: int(log(243) / log(3)) is 4 in floating point.
    assert rung_epochs(244, grace=1, factor=3) == (1, 3, 9, 27, 81, 243)


@pytest.mark.parametrize(
    ("good", "recorded", "passes"),
    [
        (0.0, [], True),  # the first arrival
        (0.5, [0.5], True),  # a tie
        (0.4, [0.5], False),
        (0.6, [0.5], True),
        (0.63, [0.1, 0.5, 0.9], False),  # the cut lies at 0.5 + (0.9 - 0.5) / 3
        (0.64, [0.1, 0.5, 0.9], True),
        (-1.0, [-3.0, -2.0, -1.0, 0.0], True),
        (-1.1, [-3.0, -2.0, -1.0, 0.0], False),
    ],
)
def test_the_rule_by_hand(good: float, recorded: list[float], passes: bool) -> None:
    assert goes_on(good, recorded) is passes


def test_the_cut_is_numpy_s_percentile_to_the_bit() -> None:
    rng = random.Random(0)
    for _ in range(500):
        factor, recorded = rng.randint(2, 5), sorted(rng.choice([rng.random(), 0.5]) for _ in range(rng.randint(1, 40)))
        cut = float(np.percentile(recorded, 100.0 * (1.0 - 1.0 / factor)))
        assert goes_on(cut, recorded, factor)
        assert not goes_on(math.nextafter(cut, -math.inf), recorded, factor)


def test_the_rule_is_ray_s_where_ray_s_is_right(tmp_path: Path) -> None:
    rng = random.Random(0)
    for run in range(20):
        theirs = _Bracket(min_t=2, max_t=20, reduction_factor=3, s=0)
        ours = RungTable(tmp_path / f"{run}.json", "val_accuracy", rung_epochs(20))
        for trial in range(15):
            for epoch in ours.rungs:
                value = rng.choice([0.1, 0.2, 0.3, 0.4, 0.5])
                action = theirs.on_result(_FakeTrial(trial), epoch, value)
                assert ours.judge(trial, epoch, value) == (action == TrialScheduler.CONTINUE)
                if action == TrialScheduler.STOP:
                    break


def test_the_table_survives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "rungs.json"
    table = RungTable.open(path, "val_loss", (2, 6))
    assert table.judge(0, 2, 0.5)
    assert not table.judge(1, 2, 0.9)
    again = RungTable.open(path, "val_loss", (2, 6))
    assert again.values == {2: {0: 0.5, 1: 0.9}}
    assert again.stopped == {1: 2}
    assert not again.judge(2, 2, 0.7)
    assert not again.judge(1, 3, 0.0)  # stopped is stopped


def test_a_rung_reported_twice_is_judged_once(tmp_path: Path) -> None:
    table = RungTable.open(tmp_path / "rungs.json", "val_loss", (2,))
    assert table.judge(0, 2, 0.5)
    assert table.judge(0, 2, 9.9)
    assert table.values[2] == {0: 0.5}


def test_other_epochs_are_no_rungs(tmp_path: Path) -> None:
    table = RungTable.open(tmp_path / "rungs.json", "val_loss", (2, 6))
    assert table.judge(0, 2, 0.1)
    assert table.judge(1, 3, 99.0)
    assert table.values == {2: {0: 0.1}}


def test_a_diverged_trial_is_stopped_and_never_ranked(tmp_path: Path) -> None:
    table = RungTable.open(tmp_path / "rungs.json", "val_loss", (2,))
    scheduler = Asha(table, Store(SearchFolder(tmp_path)), never)
    nan = float("nan")
    row = {"epoch": 2, "diverged": True, "val_loss": nan}
    assert scheduler.on_trial_result(None, _FakeTrial(0), row) == TrialScheduler.STOP
    assert not table.values
    good = {"epoch": 2, "diverged": False, "val_loss": 0.3}
    assert scheduler.on_trial_result(None, _FakeTrial(1), good) == TrialScheduler.CONTINUE


def never(trial: int, epoch: int) -> bool:
    return False


def test_a_trial_that_is_too_slow_was_judged_like_any_other(tmp_path: Path) -> None:
    table = RungTable.open(tmp_path / "rungs.json", "val_loss", (2, 6))
    asked: list[tuple[int, int]] = []

    def at_once(trial: int, epoch: int) -> bool:
        asked.append((trial, epoch))
        return trial == 0

    scheduler = Asha(table, Store(SearchFolder(tmp_path)), at_once)
    for number, loss, decision in ((0, 0.3, "STOP"), (1, 0.2, "CONTINUE"), (2, 0.9, "STOP")):
        row = {"epoch": 2, "diverged": False, "val_loss": loss}
        assert scheduler.on_trial_result(None, _FakeTrial(number), row) == getattr(TrialScheduler, decision)
    assert table.values == {2: {0: 0.3, 1: 0.2, 2: 0.9}}
    assert table.stopped == {2: 2}, "who has lost there is stopped, not slow"
    assert asked == [(0, 2), (1, 2)]


def test_a_crashed_attempt_is_withdrawn_until_it_is_trained_on(tmp_path: Path) -> None:
    """Ray tells a scheduler of every failed attempt; the next one resumes after the rungs that it had passed."""
    search = SearchFolder(tmp_path)
    table = RungTable.open(search.rungs, "val_loss", (2, 6))
    scheduler = Asha(table, Store(search), never)
    rows = [{"epoch": epoch, "diverged": False, "val_loss": 1 / epoch} for epoch in range(1, 9)]
    for row in rows:
        assert scheduler.on_trial_result(None, _FakeTrial(0), row) == TrialScheduler.CONTINUE
    judged = {2: {0: 0.5}, 6: {0: 1 / 6}}
    assert table.values == judged
    scheduler.on_trial_error(None, _FakeTrial(0))
    assert table.values == {2: {}, 6: {}}
    write_whole(search.trial(0).fold(0).metrics, pd.DataFrame(rows).to_csv(index=False))
    assert scheduler.on_trial_result(None, _FakeTrial(0), rows[3]) == TrialScheduler.CONTINUE  # of an older checkpoint
    assert table.values == {2: {0: 0.5}, 6: {}}
    assert scheduler.on_trial_result(None, _FakeTrial(0), rows[7]) == TrialScheduler.CONTINUE
    assert RungTable.open(search.rungs, "val_loss", (2, 6)).values == judged


class _FakeTrial:
    def __init__(self, number: int) -> None:
        self.trial_id = str(number)
        self.config = {"trial": number}


def _random_search(seed: int, path: Path) -> tuple[RungTable, list[Report]]:
    """Twelve trials, three at once, and the epochs that they reported until ASHA stopped them."""
    rng, clock = random.Random(seed), 0.0
    table, reports = RungTable(path, "val_accuracy", rung_epochs(20)), []
    waiting, running = list(range(12)), dict[int, int]()
    while waiting or running:
        while waiting and len(running) < 3:
            running[waiting.pop(0)] = 0
        trial = rng.choice(list(running))
        running[trial] += 1
        clock += rng.random()
        reports.append(Report(trial, running[trial], rng.random(), clock))
        if not table.judge(trial, running[trial], reports[-1].value) or running[trial] == 20:
            del running[trial]
    return table, reports


@pytest.mark.parametrize("seed", range(20))
def test_a_lost_table_is_rebuilt_from_the_trials(seed: int, tmp_path: Path) -> None:
    table, reports = _random_search(seed, tmp_path / "a.json")
    assert table.stopped
    random.Random(seed).shuffle(reports)  # as folders are read
    again = RungTable.rebuilt(tmp_path / "b.json", "val_accuracy", table.rungs, reports)
    assert (again.values, again.stopped) == (table.values, table.stopped)
    assert RungTable.open(tmp_path / "b.json", "val_accuracy", table.rungs) == again


def test_who_went_on_had_passed(tmp_path: Path) -> None:
    """Two reports in one moment may be told apart in the wrong order; a later epoch says how it was."""
    reports = [Report(0, 2, 0.9, 1.0), Report(1, 2, 0.1, 1.0), Report(1, 3, 0.2, 2.0)]
    assert RungTable.rebuilt(tmp_path / "a.json", "val_accuracy", (2, 6), reports).stopped == {}
    assert RungTable.rebuilt(tmp_path / "b.json", "val_accuracy", (2, 6), reports[:2]).stopped == {1: 2}


def test_a_failed_trial_judges_nobody_until_it_is_tried_again(tmp_path: Path) -> None:
    table = RungTable(tmp_path / "rungs.json", "val_accuracy", (2, 6))
    for trial, value in enumerate((0.9, 0.95, 0.99)):
        assert table.judge(trial, 2, value)
    table.judge(2, 6, 0.99)
    table.withdraw(2)
    assert RungTable.open(table.path, "val_accuracy", (2, 6)).values == {2: {0: 0.9, 1: 0.95}, 6: {}}
    table.readmit(2, {1: 0.5, 2: 0.99, 3: 0.7, 6: 0.99})
    assert table.values == {2: {0: 0.9, 1: 0.95, 2: 0.99}, 6: {2: 0.99}}
