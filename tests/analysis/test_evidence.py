import numpy as np
import pytest
from scipy import stats

from analysis import evidence
from trainables.comparison import Difference


def test_a_mean_has_student_s_interval() -> None:
    values = [0.1, 0.3, 0.2, 0.4, 0.35]
    found = evidence.of_mean(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert found.enough
    assert not evidence.of_mean([-0.3, 0.4, 0.1]).enough


def test_of_several_effects_each_interval_is_wider() -> None:
    one, five = (evidence.of_difference(Difference(0.02, 0.01), effects) for effects in (1, 5))
    assert (one.low, one.high) == pytest.approx((0.0004, 0.0396), abs=1e-4)
    assert one.enough
    assert not five.enough
    assert five.high - five.low == pytest.approx(2 * 2.5758 * 0.01, abs=1e-5)  # 95 % of five is 99 % of each


def test_a_share_of_few_stays_a_share() -> None:
    found = evidence.of_share(0, 5)
    assert found.low == 0.0
    assert found.high == pytest.approx(0.4345, abs=1e-4)
    assert evidence.of_share(81, 263).low == pytest.approx(0.2553, abs=1e-4)


def test_a_rank_correlation_knows_how_sure_it_is() -> None:
    rng = np.random.default_rng(0)
    one = rng.standard_normal(40)
    found = evidence.rank_correlation(one, one + 0.3 * rng.standard_normal(40))
    assert found is not None
    assert found.enough
    assert found.low < found.value < found.high <= 1
    assert evidence.rank_correlation(one[:4], one[:4]) is None
    assert evidence.rank_correlation([1, 1, 1, 1, 1], one[:5]) is None
    perfect = evidence.rank_correlation(one[:5], one[:5])
    assert perfect is not None
    assert perfect.value == pytest.approx(1)


def test_the_interval_of_a_rank_correlation_covers() -> None:
    """Of pairs that have none, 95 % of intervals hold zero, within the error of 200 draws."""
    rng = np.random.default_rng(1)
    found = [evidence.rank_correlation(*rng.standard_normal((2, 12))) for _ in range(200)]
    share = np.mean([each is not None and not each.enough for each in found])
    assert 0.9 < share < 0.99


def test_words() -> None:
    assert evidence.listed(["t1"]) == "t1"
    assert evidence.listed(["t1", "t2", "loss"]) == "t1, t2 and loss"
    assert evidence.too_few(3) == "Too little evidence: 3 trials, and nothing is said of fewer than 12."
