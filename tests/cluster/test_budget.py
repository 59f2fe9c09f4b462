"""What a search may cost, and when its trials must end so that what follows ends in time."""

import itertools
from collections.abc import Sequence

import pytest

from cluster.budget import Budget, Comparing, Pace, Pipeline, Remaining, is_too_slow, makespan, pace_of, rooms
from search_spaces import InputError
from trainables.durations import seconds_of
from trainables.member import Member

METRIC = "val_robust_loss"


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("1d12h", 129600)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text, "--time-budget") == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 h", "2h and more", "-1h", "0s", "1e3s", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--time-budget must be"):
        seconds_of(text, "--time-budget")


@pytest.mark.parametrize(
    ("budget", "ended_for", "more"),
    [
        (Budget(200), Budget(100), True),
        (Budget(100), Budget(100), False),
        (Budget(50), Budget(100), False),
        (Budget(), Budget(100), True),
        (Budget(None, 80), Budget(None, 40), True),
        (Budget(None, 40), Budget(None, 40), False),
        (Budget(200, 40), Budget(100, 40), True),
        (Budget(200, 30), Budget(100, 40), False),
        (Budget(100), Budget(None, 40), False),
    ],
)
def test_a_budget_covers_more_only_where_nothing_is_less(budget: Budget, ended_for: Budget, more: bool) -> None:
    assert budget.covers_more_than(ended_for) is more


@pytest.mark.parametrize(
    ("durations", "slots", "seconds"), [([], 2, 0), ([3, 1, 1], 1, 5), ([3, 1, 1], 2, 3), ([1, 1, 3], 2, 4)]
)
def test_tasks_begin_in_their_order(durations: list[float], slots: int, seconds: float) -> None:
    assert makespan(durations, slots) == seconds


def test_no_order_of_tasks_is_worth_less_than_an_even_share() -> None:
    durations = [1.0, 2.0, 3.0, 4.0]
    spans = [makespan(order, 2) for order in itertools.permutations(durations)]
    assert min(spans) == sum(durations) / 2
    assert max(spans) <= sum(durations) / 2 + max(durations)


def test_the_pace_keeps_plain_and_scored_epochs_apart() -> None:
    rows = [{"epoch": e, "seconds": 10.0 if e in (2, 6) else 4.0, "score_s": 1.0} for e in range(1, 7)]
    assert pace_of(rows, {2, 6, 12}, images=50, views=2) == Pace(4.0, 10.0, 0.01)
    assert pace_of(rows, {2, 6, 12}, 50, 2).training_s(range(7, 13), {2, 6, 12}) == 5 * 4 + 10
    assert pace_of(rows[:1], {2}, 50, 2).scored_epoch_s == 4.0


def test_the_epoch_that_warms_up_is_not_the_pace() -> None:
    rows = [{"epoch": epoch, "seconds": seconds, "score_s": 1.0} for epoch, seconds in ((1, 9.0), (2, 6.0), (3, 4.0))]
    assert pace_of(rows, {2}, 50, 2).epoch_s == 4.0
    assert pace_of(rows[:2], {2}, 50, 2).epoch_s == 9.0, "there is no other plain one"
    assert pace_of(rows, {5}, 50, 2).epoch_s == 5.0
    assert pace_of(rows, {1, 3}, 50, 2) == Pace(6.0, 4.0, 0.01), "nor is it that of a scored epoch"
    assert pace_of(rows[:1], {1, 3}, 50, 2) == Pace(9.0, 9.0, 0.01)


def remaining(number: int, training_s: tuple[float, ...], epochs: int, prediction_s: tuple[float, ...]) -> Remaining:
    return Remaining(Member.of(number, len(training_s)), training_s, epochs, prediction_s)


def numbers(members: Sequence[Member]) -> list[object]:
    return [member.stored for member in members]


def test_what_follows_is_a_start_then_folds_then_images_that_are_shared_evenly() -> None:
    member = remaining(0, (10.0, 20.0, 20.0, 0.0), 50, (3.0, 3.0))
    together, one_by_one = (range(4),), (range(2), range(2, 3), range(3, 4))
    assert Pipeline(1, together, 5.0, 1.0).finishing_s([member]) == 5 + 53 + (6 + 1)
    assert Pipeline(2, together, 5.0, 1.0).finishing_s([member]) == 5 + (11 + 21) + (3 + 1)
    assert Pipeline(3, together, 5.0, 1.0).finishing_s([member]) == 5 + 21 + (2 + 1)
    assert Pipeline(3, one_by_one, 5.0, 1.0).finishing_s([member]) == 5 + 21 + 21 + 3, "adaptive promotion waits"
    assert Pipeline(2, together, 5.0, 1.0).finishing_s([remaining(0, (0.0,) * 4, 0, ())]) == 0


def test_who_is_too_slow_is_passed_over_but_not_where_all_are() -> None:
    members = [remaining(7, (50.0,), 5, ()), remaining(3, (500.0,), 5, ()), remaining(4, (40.0,), 5, ())]
    alone = Pipeline(1, (range(1),), 0.0, 0.0)
    assert numbers(alone.affordable(members, 100.0)) == [7, 4]
    assert numbers(alone.affordable(members, 45.0)) == [4]
    assert numbers(alone.affordable(members, 10.0)) == [7]
    assert numbers(alone.affordable(members, 1000.0)) == [7, 3, 4]


@pytest.mark.parametrize(
    ("left_s", "kept"),
    [
        (1000.0, [7, 3]),  # half of 200 has no room for all three
        (85.0, [7]),
        (65.0, [3]),  # the best one is too slow for what is left, and ends no search
        (20.0, [4]),
        (1.0, [7]),  # everybody is
    ],
)
def test_time_is_kept_for_the_best_that_it_is_left_for(left_s: float, kept: list[int]) -> None:
    members = [remaining(7, (80.0,), 8, ()), remaining(3, (60.0,), 6, ()), remaining(4, (20.0,), 2, ())]
    alone = Pipeline(1, (range(1),), 0.0, 0.0)
    budget_s = 300.0 if left_s > 100 else 100.0
    assert numbers([each.member for each in alone.within(members, left_s, budget_s)]) == kept


def test_a_promotion_of_more_than_half_of_a_budget_gives_way_to_a_cheaper_one() -> None:
    """What fold 0 still lacks is no promotion, but takes its time."""
    alone = Pipeline(1, (range(2),), 0.0, 0.0)
    costly, cheap = remaining(7, (0.0, 60.0), 8, ()), remaining(4, (30.0, 40.0), 2, ())

    def kept(left_s: float, *members: Remaining) -> list[int]:
        return numbers([each.member for each in alone.within(members, left_s, 100.0)])

    assert kept(100.0, costly, cheap) == [4]
    assert kept(100.0, costly) == [7], "there is no cheaper one"
    assert kept(65.0, costly, cheap) == [7], "nor is there room for it"


def test_who_is_too_slow_has_no_room_where_another_has() -> None:
    half_s, left_s = rooms(80.0, 200.0)
    assert (half_s, left_s) == (100.0, 85.0)
    assert is_too_slow((101.0, 80.0), [(120.0, 120.0), (100.0, 85.0)], (half_s, left_s))
    assert is_too_slow((10.0, 86.0), [(120.0, 120.0), (120.0, 85.0)], (half_s, left_s))
    assert not is_too_slow((101.0, 80.0), [(100.0, 86.0), (101.0, 85.0)], (half_s, left_s)), "no other fits in both"
    assert not is_too_slow((100.0, 85.0), [(1.0, 1.0)], (half_s, left_s))
    assert not is_too_slow((101.0, 86.0), [(102.0, 120.0)], (half_s, left_s))
    assert not is_too_slow((101.0, 86.0), [], (half_s, left_s))


def test_who_is_whole_costs_nothing_and_is_never_dropped() -> None:
    """A finished search that is resumed has no time left, and nothing to do either."""
    whole = [remaining(number, (0.0, 0.0), 0, ()) for number in (7, 3)]
    pipeline = Pipeline(2, (range(2),), 5.0, 1.0)
    assert numbers(pipeline.affordable(whole, -60.0)) == [7, 3]
    assert numbers(pipeline.affordable([remaining(7, (0.0, 9.0), 5, ()), whole[1]], -60.0)) == [3]
    assert numbers(pipeline.affordable([*whole, remaining(4, (9.0, 0.0), 5, ())], -60.0)) == [7, 3]


def test_what_comparing_blends_takes_is_reserved_but_for_one_member() -> None:
    one, other = remaining(7, (50.0,), 5, ()), remaining(3, (50.0,), 5, ())
    pipeline = Pipeline(1, (range(1),), 0.0, 0.0, Comparing(4.0, 3.0))
    assert pipeline.finishing_s([one]) == 50
    assert pipeline.finishing_s([one, other]) == 100 + 4 + 2 * 3
    assert numbers(pipeline.affordable([one, other], 109.0)) == [7]
    assert numbers(pipeline.affordable([one, other], 110.0)) == [7, 3]
    trained = remaining(3, (0.0,), 0, ())
    assert numbers(pipeline.affordable([one, trained], 50.0)) == [7, 3], "what is trained is blended"
