"""What `--plan` says, from a known throughput, in numbers that can be worked out by hand."""

from typing import Any

import pytest

from cluster.kinds import DIAGONAL, FULL
from cluster.outlook import Size, described, outlook
from cluster.promotion import Promotion
from search_spaces.recipe import Recipe
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
MEAN = {"answer": "mean", "answer_epochs": 2}
PACE = Throughput(train_image_s=1.0, view_s=0.1)


def recipe(**fields: Any) -> Recipe:
    usual = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8, "learning_rate": 0.01, "epochs": 2}
    return Recipe(**{**usual, **fields})


def test_seconds_are_those_of_the_work() -> None:
    found = outlook(SIZE, [recipe(), recipe(seed=1)], 1, {cost_key(recipe()): PACE}, (0.0, 0.0), False)
    epoch, answer, net = 100 * 1.0 + 100 * 0.1, 100 * 0.1 + 100 * 0.1, 50 * 0.1
    assert found.timed
    assert found.forecast.search_epochs.low == found.forecast.search_epochs.high == 4
    assert found.forecast.wall_s.middle == pytest.approx(4 * epoch + 2 * epoch + 3 * answer + 2 * net)


def test_epochs_at_whose_end_a_trial_may_be_judged_are_scored_at_every_count() -> None:
    more = Size(**{**vars(SIZE), "largest_tta_count": 3})
    found = outlook(more, [recipe()], 1, {cost_key(recipe()): PACE}, (0.0, 0.0), False)
    plain, scored, answer, net = 110.0, 130.0, 20.0, 5.0
    assert found.forecast.wall_s.middle == pytest.approx(2 * (plain + scored + answer) + 2 * net)


def test_a_mean_of_epochs_is_asked_once_more_for_each_and_keeps_each_net() -> None:
    pace = {cost_key(recipe()): PACE}
    one, two = (outlook(SIZE, [recipe(**f)], 1, pace, (0.0, 0.0), False) for f in ({}, MEAN))
    assert two.forecast.wall_s.middle - one.forecast.wall_s.middle == pytest.approx(2 * (100 * 0.1 + 50 * 0.1))
    assert two.disk_bytes > one.disk_bytes


def test_without_a_throughput_there_are_epochs_but_no_hours() -> None:
    found = outlook(SIZE, [recipe()], 2, {}, (9.0, 9.0), False)
    lines = described(found, "2 slots", 1.0, 2.0)
    assert not found.timed
    assert "wall_s" not in found.to_dict()
    assert any("--measure" in line for line in lines)
    assert not any(line.startswith("cost") for line in lines)


def test_the_cost_is_that_of_all_gpus_for_the_whole_time() -> None:
    hour = {cost_key(recipe()): Throughput(3600 / 660, 0.0)}
    found = outlook(SIZE, [recipe()], 1, hour, (0.0, 0.0), False)
    (cost,) = [line for line in described(found, "4 GPUs", 0.5, 4.0) if line.startswith("cost")]
    hours = found.forecast.wall_s.middle / 3600
    assert cost.split()[1] == f"{hours * 0.5 * 4:.2f}"


def test_disk_counts_checkpoints_of_what_runs_and_all_of_what_is_promoted() -> None:
    few = outlook(SIZE, [recipe()], 1, {}, (0.0, 0.0), False).disk_bytes
    with_average = outlook(SIZE, [recipe(ema_decay=0.9)], 1, {}, (0.0, 0.0), False).disk_bytes
    many_folds = outlook(
        Size(**{**vars(SIZE), "promotion": Promotion(FULL, 1, 10)}), [recipe()], 1, {}, (0.0, 0.0), False
    ).disk_bytes
    assert few < with_average < many_folds


def test_a_diagonal_keeps_what_one_trial_of_all_folds_does() -> None:
    found, one, two = (
        outlook(Size(**{**vars(SIZE), "promotion": each}), [recipe(), recipe(seed=1)], 1, {}, (0.0, 0.0), False)
        for each in (Promotion(DIAGONAL, 1, 10), Promotion(FULL, 1, 10), Promotion(FULL, 2, 10))
    )
    assert found.disk_bytes == one.disk_bytes < two.disk_bytes
    assert found.forecast.promotion_epochs == one.forecast.promotion_epochs


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
    found = outlook(SIZE, [recipe()], 1, {}, (0.0, 0.0), True)
    assert found.to_dict()["promotion_epochs"] == [0.0, 2.0]
    assert any("at most 2 of promotion" in line for line in described(found, "", None, 1.0))
