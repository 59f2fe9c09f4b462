"""Ties and differences on tables whose answer is known."""

import numpy as np
import pytest

from trainables.comparison import compare, paired

RNG = np.random.default_rng(0)
HARD = RNG.normal(size=400)
"""What all trials find hard alike."""


def trial(gain: float, seed: int) -> np.ndarray:
    return HARD + gain + 0.1 * np.random.default_rng(seed).normal(size=400)


def test_a_paired_difference_sees_what_two_errors_hide() -> None:
    better, worse = trial(0.05, 1), trial(0.0, 2)
    difference = paired(better, worse)
    assert difference.behind == pytest.approx(0.05, abs=0.02)
    assert not difference.tied
    unpaired_se = np.hypot(better.std(), worse.std()) / np.sqrt(400)
    assert unpaired_se > 0.05  # two independent errors would hide it


def test_a_trial_is_tied_with_itself_and_with_chance() -> None:
    assert paired(HARD, HARD).tied
    wrongly = sum(not paired(trial(0, 2 * seed), trial(0, 2 * seed + 1)).tied for seed in range(400))
    assert 8 <= wrongly <= 34  # 5 % of 400, give or take three standard errors


def test_of_accuracies_it_is_mcnemar_s() -> None:
    one, other = np.array([1.0] * 90 + [0.0] * 10), np.array([1.0] * 80 + [0.0] * 15 + [1.0] * 5)
    only_one, only_other = 10, 5
    difference = paired(one, other)
    assert difference.behind == pytest.approx((only_one - only_other) / 100)
    assert difference.se == pytest.approx(np.sqrt(only_one + only_other - (only_one - only_other) ** 2 / 100) / 100)


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="same images, got 400 and 399"):
        paired(HARD, HARD[1:])


def test_the_cut_is_a_tie_where_it_is_one() -> None:
    goods = {4: trial(0.5, 1), 2: trial(0.1, 2), 7: trial(0.1, 3), 1: trial(-0.3, 4), 9: trial(0.9, 5)}
    rows = compare([4, 2, 7, 1, 9], {4: 6, 2: 6, 7: 6, 1: 6, 9: 2}, goods, {4, 2})
    assert [row["trial"] for row in rows] == [4, 2, 7, 1, 9]
    assert [row["tied_with_first"] for row in rows] == [True, False, False, False, False]
    assert [row["cut_is_tie"] for row in rows] == [False, False, True, False, False]
    assert rows[1]["behind"] == pytest.approx(0.4, abs=0.03)
    assert rows[4]["behind"] is None  # it ended at another epoch
