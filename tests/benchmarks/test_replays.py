"""Replays on made-up curves, where who is stopped and what that loses is known beforehand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.replays.median import Median
from benchmarks.replays.pool import Pool, outcome
from benchmarks.replays.replay import GO, STOP, Rule, halving_epochs, replay, standing
from benchmarks.replays.rules import Halving, Hyperband, Ours, Promotion
from cluster.asha import RungTable, rung_epochs
from trainables.files import load_json
from trainables.scores import goodness

TRIALS, EPOCHS = 27, 18
RULES: dict[str, Callable[[], Rule]] = {
    "ours": lambda: Ours(EPOCHS, 2, 3),
    "promotion": lambda: Promotion(EPOCHS, 2, 3),
    "halving": lambda: Halving(range(TRIALS), rung_epochs(EPOCHS, 2, 3), 3),
    "Hyperband": lambda: Hyperband(TRIALS, EPOCHS, 3),
    "median": lambda: Median(TRIALS, EPOCHS, 2, yields=False),
    "median that yields": lambda: Median(TRIALS, EPOCHS, 2, yields=True),
}


def _pool(goods: np.ndarray, ends: np.ndarray, seed: int = 0) -> Pool:
    """In random order of arrival, every epoch a second."""
    order = np.random.default_rng(seed).permutation(len(goods))
    return Pool("made up", {"m": goods, "worse": -goods}, np.ones(goods.shape), ends, 0.0).drawn(order)


def _parallel() -> np.ndarray:
    """Curves that never cross: trial i is better than trial i - 1 at every epoch."""
    return np.arange(TRIALS)[:, None] + 0.1 * np.arange(EPOCHS)[None, :]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("name", RULES)
def test_nothing_is_lost_where_curves_never_cross(name: str, slots: int, seed: int) -> None:
    search = _pool(_parallel(), np.linspace(0.5, 0.9, TRIALS), seed)
    found, base = outcome(search, "m", RULES[name](), slots), outcome(search, "m", Rule(), slots)
    assert found.picked == base.picked == pytest.approx(0.9)
    assert base.epochs == TRIALS * EPOCHS
    assert found.epochs < base.epochs


def _late_bloomer() -> tuple[np.ndarray, np.ndarray]:
    """One trial is the worst until the last epoch, where it is the best, by 0.2 of accuracy."""
    goods = _parallel()
    goods[0, -1] = 100.0
    return goods, np.where(np.arange(TRIALS) == 0, 0.9, 0.7)


def test_early_stopping_loses_what_a_late_crossing_is_worth() -> None:
    goods, ends = _late_bloomer()
    last = np.roll(np.arange(TRIALS), -1)  # the late one arrives when others have been judged
    search = Pool("made up", {"m": goods}, np.ones(goods.shape), ends, 0.0).drawn(last)
    base = outcome(search, "m", Rule(), 2)
    assert base.picked == 0.9
    for name, rule in RULES.items():
        lost = base.picked - outcome(search, "m", rule(), 2).picked
        assert lost == pytest.approx(0.0 if name == "Hyperband" else 0.2), name
    # Hyperband's brackets take 9, 5 and 3, then 9 and 1 of a second round: the late one is alone in its bracket


def test_a_rule_that_ranks_upside_down_loses_all() -> None:
    search = _pool(_parallel(), np.linspace(0.5, 0.9, TRIALS))
    assert outcome(search, "worse", Ours(EPOCHS, 2, 3), 1).picked == pytest.approx(0.5)


def test_slots_run_side_by_side() -> None:
    seconds = np.array([[1.0, 1.0], [5.0, 1.0], [1.0, 1.0]])
    done = replay(np.zeros((3, 2)), seconds, Rule(), 2)
    assert done.order == [(0, 1), (0, 2), (2, 1), (2, 2), (1, 1), (1, 2)]
    assert done.wall_s == 6.0
    assert replay(np.zeros((3, 2)), seconds, Rule(), 1).wall_s == 10.0


def test_a_diverged_trial_ends_and_is_never_ranked() -> None:
    goods = _parallel()
    goods[-1, 3:] = np.nan
    for name, rule in RULES.items():
        done = replay(goods, np.ones(goods.shape), rule(), 3)
        assert done.reached[-1] <= 4, name
        assert standing(goods, done.reached)[0] == TRIALS - 2 or done.reached[-1] < 4, name


def test_halving_judges_a_rung_once_all_are_there() -> None:
    goods = _parallel()
    done = replay(goods, np.ones(goods.shape), RULES["halving"](), 4)
    assert sorted(done.reached) == [2] * 18 + [6] * 6 + [18] * 3
    assert list(done.reached[-9:]) == [6] * 6 + [18] * 3


def test_promotion_takes_who_is_in_the_best_third_so_far() -> None:
    rule = Promotion(EPOCHS, 2, 3)
    assert rule.choose(0) == 0
    for trial in range(3):
        rule.reported(trial, 2, float(trial))
        assert rule.choose(trial + 1) == (2 if trial == 2 else trial + 1)
    assert rule.choose(3) == 3  # promoted once


def test_hyperband_s_brackets_are_those_of_the_paper() -> None:
    assert list(halving_epochs(81, 3)) == [(1, 3, 9, 27), (3, 9, 27), (9, 27), (27,), ()]
    begun = replay(np.zeros((143, 81)), np.ones((143, 81)), Hyperband(143, 81, 3), 143).reached
    # 81, 34, 15, 8 and 5 trials, by s from 4 to 0: table 1 of the paper (JMLR 18)
    assert [int((begun[place : place + n] == 81).sum()) for place, n in ((0, 81), (81, 34), (115, 15), (130, 8))] == [
        1, 1, 1, 2,
    ]  # fmt: skip
    assert (begun[138:] == 81).all()


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """What a search with Ray of ten trials, two at once, reported and decided; the clock begins before the first."""
    stored = load_json(Path(__file__).parent / "recorded_search.json")
    stored["reports"] = [(trial, epoch, value, clock + 3.0) for trial, epoch, value, clock in stored["reports"]]
    return stored


def test_ours_decides_as_a_real_search_did(recorded: dict[str, Any]) -> None:
    rule, stopped = Ours(recorded["epochs"], 2, 3), {}
    for trial, epoch, value, _clock in recorded["reports"]:
        if rule.reported(trial, epoch, goodness(recorded["metric"], value)) == STOP:
            stopped[str(trial)] = epoch
    assert stopped == recorded["stopped"]
    assert len(stopped) >= 3


def test_a_replay_goes_as_a_real_search_went(recorded: dict[str, Any]) -> None:
    """The same trainings in the same order, from what each epoch took and each trial's values."""
    trials, epochs = 10, recorded["epochs"]
    goods, seconds = np.full((trials, epochs), np.nan), np.zeros((trials, epochs))
    free = [0.0] * recorded["slots"]
    for trial in range(trials):
        before = free.pop(free.index(min(free)))
        for _, epoch, value, clock in (report for report in recorded["reports"] if report[0] == trial):
            goods[trial, epoch - 1], seconds[trial, epoch - 1] = goodness(recorded["metric"], value), clock - before
            before = clock
        free.append(before)
    done = replay(goods, seconds, Ours(epochs, 2, 3), recorded["slots"])
    assert done.order == [(trial, epoch) for trial, epoch, _, _ in recorded["reports"]]
    assert {str(trial): int(n) for trial, n in enumerate(done.reached) if n < epochs} == recorded["stopped"]


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_stops_whom_the_search_s_own_table_stops(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    goods, seconds = rng.normal(size=(20, EPOCHS)), rng.random((20, EPOCHS))
    done = replay(goods, seconds, Ours(EPOCHS, 2, 3), 3)
    table = RungTable(tmp_path / "rungs.json", "val_accuracy", rung_epochs(EPOCHS, 2, 3))
    for trial, epoch in done.order:
        table.judge(trial, epoch, float(goods[trial, epoch - 1]))
    assert {trial: int(done.reached[trial]) for trial in table.stopped} == table.stopped
    assert set(np.flatnonzero(done.reached < EPOCHS)) == set(table.stopped)


def test_median_goes_on_until_three_have_been_there() -> None:
    rule = Median(5, EPOCHS, 2, yields=False)
    told = [rule.reported(trial, 2, good) for trial, good in enumerate((3.0, 2.0, 1.0, 0.0, 1.6))]
    assert told == [GO, GO, GO, STOP, GO]  # the median of 3, 2, 1 is 2, of those and 0 it is 1.5
