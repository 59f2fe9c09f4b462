"""Simulated searches: ASHA's own rule and a budget's, and intervals that say how little is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from cluster.asha import rung_epochs
from cluster.budget import Budget, Comparing
from cluster.course import Course, Limit, Work, course
from cluster.forecast import Interval, forecast
from cluster.kinds import DIAGONAL, FULL
from cluster.promotion import Promotion

RNG_SEED = 0
WORK = Work(
    epochs=12,
    rungs=rung_epochs(12),
    promotion=Promotion(FULL, 2, 5),
    backbones=("test_vit",) * 16,
    slots=2,
    epoch_s=(10.0,) * 16,
    prediction_s=(4.0,) * 16,
)


@pytest.fixture
def courses() -> list[Course]:
    rng = np.random.default_rng(RNG_SEED)
    return [course(WORK, rng) for _ in range(50)]


def test_trials_are_counted_once_at_each_rung(courses: list[Course]) -> None:
    for each in courses:
        assert each.arrived[0] == 16
        assert each.arrived[1] == 16 - each.stopped[0]
        finished = each.arrived[1] - each.stopped[1]
        assert each.search_epochs == 2 * each.stopped[0] + 6 * each.stopped[1] + 12 * finished


def test_the_first_arrival_is_never_stopped(courses: list[Course]) -> None:
    assert all(each.stopped[0] < 16 and each.stopped[1] < each.arrived[1] for each in courses)


def test_promotion_trains_what_is_lacking_of_every_fold(courses: list[Course]) -> None:
    for each in courses:
        assert each.promotion_epochs >= 2 * 4 * 12  # and what the second lacks of fold 0, if it was stopped
        assert each.busy_s == 10 * (each.search_epochs + each.promotion_epochs) + 4 * 2 * 5
        assert each.busy_s / 2 <= each.wall_s <= each.busy_s


def test_a_diagonal_is_one_training_a_fold_of_which_each_backbone_has_one() -> None:
    """The one trial of a slow backbone, wherever it stands, trains and predicts in one fold."""
    slow = replace(
        WORK,
        promotion=Promotion(DIAGONAL, 1, 5),
        backbones=("slow", *["fast"] * 15),
        epoch_s=(1000.0, *[10.0] * 15),
        prediction_s=(400.0, *[4.0] * 15),
        rungs=(),
    )
    each = course(slow, np.random.default_rng(RNG_SEED))
    assert each.promotion_epochs == 4 * 12, "without rungs, whoever is best has fold 0"
    trained = [12 * 1000 + 3 * 12 * 10, 4 * 12 * 10]  # the slow one on its fold, or on fold 0, where it is best
    searched = 12 * 1000 + 15 * 12 * 10
    assert each.busy_s - searched - 400 - 4 * 4 in trained


def test_one_slot_works_all_the_time() -> None:
    one = course(replace(WORK, slots=1), np.random.default_rng(RNG_SEED))
    assert one.wall_s == pytest.approx(one.busy_s)


def test_starts_and_turnovers_are_time_and_not_work() -> None:
    slow = course(replace(WORK, start_s=100.0, turnover_s=1.0, slots=1), np.random.default_rng(RNG_SEED))
    fast = course(replace(WORK, slots=1), np.random.default_rng(RNG_SEED))
    folds = 2 * 5 - (fast.promotion_epochs == 2 * 4 * 12) * 2  # fold 0 of who was trained to the end is there
    assert slow.busy_s == fast.busy_s
    assert slow.wall_s - fast.wall_s == pytest.approx(2 * 100 + 16 + folds + 1, abs=2)


def test_without_rungs_all_are_trained_to_the_end() -> None:
    whole = forecast(replace(WORK, rungs=()))
    assert whole.search_epochs == Interval(192, 192, 192)
    assert whole.promotion_epochs == Interval(96, 96, 96)
    assert whole.stopped == ()


def test_intervals_hold_nine_in_ten_and_the_same_seed_gives_the_same() -> None:
    found = forecast(WORK)
    assert found == forecast(WORK)
    rng = np.random.default_rng(99)
    inside = [course(WORK, rng).search_epochs in found.search_epochs for _ in range(200)]
    assert 0.8 < np.mean(inside) <= 1.0


def test_a_small_search_stops_less_than_a_large_one() -> None:
    small = forecast(replace(WORK, backbones=("a",) * 8, epoch_s=(1.0,) * 8, prediction_s=(0.0,) * 8))
    large = forecast(replace(WORK, backbones=("a",) * 200, epoch_s=(1.0,) * 200, prediction_s=(0.0,) * 200))
    assert small.stopped[0].middle < large.stopped[0].middle < 2 / 3 + 0.01
    assert large.stopped[0].high - large.stopped[0].low < small.stopped[0].high - small.stopped[0].low


def test_fewer_trials_than_slots() -> None:
    few = forecast(replace(WORK, slots=8, backbones=("a",) * 3, epoch_s=(1.0,) * 3, prediction_s=(0.0,) * 3))
    assert few.arrived[0] == Interval(3, 3, 3)


def test_an_interval_in_words() -> None:
    assert Interval(85.2, 90, 112).words() == "85-112"
    assert Interval(144, 144, 144).words() == "144"
    assert 100 in Interval(85, 90, 112)
    assert 84 not in Interval(85, 90, 112)


def test_a_machine_s_uncertain_pace_widens_time_and_nothing_else() -> None:
    sure, unsure = forecast(WORK), forecast(replace(WORK, pace_sd=0.15))
    assert unsure.search_epochs.high == pytest.approx(sure.search_epochs.high, rel=0.1)
    assert unsure.wall_s.high / unsure.wall_s.low > 1.2 * sure.wall_s.high / sure.wall_s.low


def test_folds_that_take_several_gpus_each_wait_for_each_other() -> None:
    alone, together = (course(replace(WORK, folds_at_once=n), np.random.default_rng(RNG_SEED)) for n in (0, 1))
    assert together.busy_s == alone.busy_s
    half = 10 * together.promotion_epochs / 2
    assert together.wall_s - alone.wall_s == pytest.approx(half, abs=10 * 12), "two side by side end within a fold"


def test_a_search_is_simulated_once_in_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--plan`'s words and what the report holds against the end ask for the same."""
    played = []
    monkeypatch.setattr("cluster.forecast.course", lambda work, rng: played.append(0) or course(work, rng))
    work = replace(WORK, turnover_s=0.123)
    assert forecast(work) is forecast(replace(work))
    assert len(played) == 300


LIMITED = replace(WORK, endless=True, limit=Limit(Budget(None, 300), (range(5),), Comparing(), closing_s=0.0))


@pytest.mark.parametrize("promotion", [Promotion(FULL, 2, 5), Promotion(DIAGONAL, 1, 5)])
@pytest.mark.parametrize("slots", [1, 4])
def test_an_epoch_budget_is_spent_and_kept(promotion: Promotion, slots: int) -> None:
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(20):
        each = course(replace(LIMITED, promotion=promotion, slots=slots), rng)
        assert 300 - slots - 1 <= each.search_epochs + each.promotion_epochs <= 300
        assert each.trials > 16, "further trials are like those that are known"


@pytest.mark.parametrize("slots", [1, 4])
def test_a_time_budget_is_spent_and_kept(slots: int) -> None:
    limit = replace(LIMITED.limit, budget=Budget(3600.0), closing_s=20.0)
    work = replace(LIMITED, limit=limit, slots=slots, pace_sd=0.15, start_s=6.0)
    rng = np.random.default_rng(RNG_SEED)
    for _ in range(20):
        assert 3600 * 0.9 <= course(work, rng).wall_s <= 3600


def test_a_budget_that_has_room_for_all_cuts_nothing() -> None:
    free = course(WORK, np.random.default_rng(RNG_SEED))
    limit = replace(LIMITED.limit, budget=Budget(1e6, 10_000))
    assert course(replace(WORK, limit=limit), np.random.default_rng(RNG_SEED)) == free


def test_recipes_from_experience_come_first_and_more_of_those_behind_them_are_stopped() -> None:
    chance, experience = (forecast(replace(WORK, known_good=count)) for count in (0, 3))
    assert chance and experience
    assert experience.stopped[0].middle > chance.stopped[0].middle
    assert experience.search_epochs.middle < chance.search_epochs.middle
