"""What `--plan` says, from a known throughput, in numbers that can be worked out by hand."""

from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from cluster.budget import Budget, Comparing
from cluster.course import Limit
from cluster.forecast import Forecast, Interval
from cluster.kinds import DIAGONAL, FULL
from cluster.outlook import Machines, Outlook, Size, described, outlook
from cluster.promotion import Promotion
from search_spaces.recipe import Recipe
from trainables.backbones import net_bytes
from trainables.throughput import Throughput, as_in_the_diary, cost_key

SIZE = Size(
    epochs=2,
    rungs=(),
    promotion=Promotion(FULL, 1, 2),
    train_images=100,
    val_images=100,
    test_images=50,
    classes=5,
    largest_tta_count=1,
)
ONE = Machines(slots=1, at_once=1)
MEAN = {"answer": "mean", "answer_epochs": 2}
PACE = Throughput(train_image_s=1.0, view_s=0.1)


def foretold(found: Outlook) -> Forecast:
    assert found.forecast is not None
    return found.forecast


def recipe(**fields: Any) -> Recipe:
    usual = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8, "learning_rate": 0.01, "epochs": 2}
    return Recipe(**{**usual, **fields})


def test_seconds_are_those_of_the_work() -> None:
    found = outlook(SIZE, [recipe(), recipe(seed=1)], ONE, {cost_key(recipe()): PACE})
    epoch, answer, net = 100 * 1.0 + 100 * 0.1, 100 * 0.1 + 100 * 0.1, 50 * 0.1
    assert found.timed
    assert foretold(found).search_epochs == Interval(4, 4, 4)
    assert foretold(found).wall_s.middle == pytest.approx(4 * epoch + 2 * epoch + 3 * answer + 2 * net)


def test_epochs_at_whose_end_a_trial_may_be_judged_are_scored_at_every_count() -> None:
    more = Size(**{**vars(SIZE), "largest_tta_count": 3})
    found = outlook(more, [recipe()], ONE, {cost_key(recipe()): PACE})
    plain, scored, answer, net = 110.0, 130.0, 20.0, 5.0
    assert foretold(found).wall_s.middle == pytest.approx(2 * (plain + scored + answer) + 2 * net)


def test_a_mean_of_epochs_is_asked_once_more_for_each_and_keeps_each_net() -> None:
    pace = {cost_key(recipe()): PACE}
    one, two = (outlook(SIZE, [recipe(**f)], ONE, pace) for f in ({}, MEAN))
    assert foretold(two).wall_s.middle - foretold(one).wall_s.middle == pytest.approx(2 * (100 * 0.1 + 50 * 0.1))
    assert two.disk_bytes > one.disk_bytes


def test_without_a_throughput_there_are_epochs_but_no_hours() -> None:
    found = outlook(SIZE, [recipe()], Machines(2, 2, start_s=9.0, turnover_s=9.0), {})
    lines = described(found, "2 slots", 1.0, 2.0)
    assert not found.timed
    assert "wall_s" not in found.to_dict()
    assert any("--measure" in line for line in lines)
    assert not any(line.startswith("cost") for line in lines)


def test_the_cost_is_that_of_all_gpus_for_the_whole_time() -> None:
    hour = {cost_key(recipe()): Throughput(3600 / 660, 0.0)}
    found = outlook(SIZE, [recipe()], ONE, hour)
    (cost,) = [line for line in described(found, "4 GPUs", 0.5, 4.0) if line.startswith("cost")]
    hours = foretold(found).wall_s.middle / 3600
    assert cost.split()[1] == f"{hours * 0.5 * 4:.2f}"


def test_disk_counts_checkpoints_of_what_runs_and_all_of_what_is_promoted() -> None:
    few = outlook(SIZE, [recipe()], ONE, {}).disk_bytes
    with_average = outlook(SIZE, [recipe(ema_decay=0.9)], ONE, {}).disk_bytes
    many_folds = outlook(Size(**{**vars(SIZE), "promotion": Promotion(FULL, 1, 10)}), [recipe()], ONE, {}).disk_bytes
    assert few < with_average < many_folds


def test_disk_counts_trials_that_share_gpus_and_what_is_denoised() -> None:
    """By hand: a checkpoint is four nets, and each training in work has two, its net, and its epochs' predictions."""
    net = net_bytes(recipe(), SIZE.classes)
    training = 9 * net + 2 * 100 * 5 * 4

    def probs(trials: int, trainings: int) -> int:
        return (trials * 5 * 100 + trainings * (5 * 100 + 2 * 50)) * 5 * 4

    def bytes_of(at_once: int, denoised_folds: int) -> int:
        size = replace(SIZE, promotion=Promotion(FULL, 1, 10), denoised_folds=denoised_folds)
        return outlook(size, [recipe(), recipe(seed=1)], Machines(1, at_once), {}).disk_bytes

    assert bytes_of(1, 0) == bytes_of(8, 0) == 10 * training + probs(2, 10), "promotion has more, then"
    assert bytes_of(64, 0) == (64 + 1 + 1) * training + probs(2, 10)
    assert bytes_of(1, 10) == 20 * training + probs(2, 20)
    copied = training - 8 * net
    assert bytes_of(1, 4) == 14 * training + 6 * copied + probs(2, 20)


def test_a_diagonal_keeps_what_one_trial_of_all_folds_does() -> None:
    found, one, two = (
        outlook(Size(**{**vars(SIZE), "promotion": each}), [recipe(), recipe(seed=1)], ONE, {})
        for each in (Promotion(DIAGONAL, 1, 10), Promotion(FULL, 1, 10), Promotion(FULL, 2, 10))
    )
    assert found.disk_bytes == one.disk_bytes < two.disk_bytes
    assert foretold(found).promotion_epochs == foretold(one).promotion_epochs


def test_the_diarys_pace_scales_with_area_and_sam() -> None:
    name = "tf_efficientnet_b0.ns_jft_in1k"
    plain, twice, sam = recipe(backbone=name, image_size=380), recipe(backbone=name, image_size=760), None
    sam = recipe(backbone=name, image_size=380, sam_rho=0.05)
    found = as_in_the_diary([plain, twice, sam, recipe()])
    assert len(found) == 3  # test_resnet is none of the diary's
    assert found[cost_key(twice)].train_image_s == pytest.approx(4 * found[cost_key(plain)].train_image_s)
    assert found[cost_key(sam)].train_image_s == pytest.approx(2 * found[cost_key(plain)].train_image_s)
    assert found[cost_key(sam)].epoch_s(21_397 - 4_279, 4_279, 1) == pytest.approx(510)


def test_adaptive_promotion_is_at_most_so_much() -> None:
    found = outlook(SIZE, [recipe()], ONE, {}, adaptive=True)
    assert found.to_dict()["promotion_epochs"] == [0.0, 2.0]
    assert any("at most 2 of promotion" in line for line in described(found, "", None, 1.0))


def of_a_budget(budget: Budget, trials: int | None = None, pace: bool = True) -> Outlook:
    """Of 10 kinds of recipes that all take the same: 2 epochs of 110 s, and 20 s for the answer; a net 5 s."""
    recipes = [recipe(seed=seed) for seed in range(trials or 10)]
    limit = Limit(budget, (range(2),), Comparing(), closing_s=10.0)
    known = {cost_key(recipe()): PACE} if pace else {}
    return outlook(SIZE, recipes, ONE, known, limit=limit, endless=trials is None)


def test_an_epoch_budget_buys_trials() -> None:
    """Of 40 epochs promotion keeps two, and one is kept for what runs."""
    found = of_a_budget(Budget(None, 40), pace=False)
    assert foretold(found).search_epochs == Interval(37, 37, 37)
    assert foretold(found).trials == Interval(19, 19, 19), "the last one is cut"
    assert foretold(found).promotion_epochs == Interval(2, 2, 2)
    expected, disk, _ = described(found, "1 slot", None, 1.0)
    assert expected.startswith("expected   19 trials; in all 37 epochs of the search and 2 of promotion")
    assert found.disk_bytes > of_a_budget(Budget(None, 20), pace=False).disk_bytes
    assert disk.startswith("disk ")
    assert found.trials is None


def test_a_time_budget_buys_what_leaves_room_for_all_that_follows() -> None:
    """By hand, of a trial's 240 s: fold 1, of which 3 % may be more, 3 s to stop, two nets' 10 s, and 10 s to close.

    The trials end with the first epoch that leaves no more than that.
    """
    found, kept = of_a_budget(Budget(2400.0)), 3 + 1.03 * (240 + 10) + 10
    assert foretold(found).search_epochs.middle == ceil((2400 - kept) / 120) == 18
    assert foretold(found).wall_s == Interval(2410, 2410, 2410)
    machine = replace(ONE, pace_sd=0.15)
    limit = Limit(Budget(2400.0), (range(2),), Comparing(), 10.0)
    unsure = outlook(SIZE, [recipe()], machine, {cost_key(recipe()): PACE}, limit=limit, endless=True)
    assert foretold(unsure).trials.low < foretold(found).trials.low <= foretold(found).trials.high
    assert foretold(unsure).trials.high > foretold(found).trials.high
    assert 2300 < foretold(unsure).wall_s.low < foretold(unsure).wall_s.high < 2400 + 1.4 * 120


def test_a_time_budget_says_nothing_where_no_time_is_known() -> None:
    found = of_a_budget(Budget(2400.0), pace=False)
    assert found.forecast is None
    (line,) = described(found, "1 slot", 1.0, 1.0)
    assert line.startswith("expected   as many trials as the time budget has room for; their time is not known")
    assert "--measure" in line
    expected, disk = described(of_a_budget(Budget(2400.0), trials=3, pace=False), "1 slot", 1.0, 1.0)
    assert "as many of 3 trials as the time budget" in expected
    assert disk.startswith("disk ")


def test_trials_that_were_asked_for_are_fewer_where_a_budget_ends_them() -> None:
    few, many = (of_a_budget(Budget(None, 40), trials) for trials in (10, 30))
    assert foretold(few).trials == Interval(10, 10, 10)
    assert foretold(few).search_epochs == Interval(20, 20, 20)
    assert foretold(many).search_epochs == Interval(37, 37, 37)


def test_more_trials_than_can_be_played_are_said_to_be_many() -> None:
    found = of_a_budget(Budget(None, 200_000))
    assert found.forecast is None
    (line,) = described(found, "1 slot", None, 1.0)
    assert line.startswith("expected   more than 20000 trials")
