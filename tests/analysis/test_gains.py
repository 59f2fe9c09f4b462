"""What members bring to a mean, and whether probabilities are what they say."""

import numpy as np
import pandas as pd
import pytest

from analysis.calibration import calibration, calibration_figure, cross_tempered, error_by_chance, reliability
from analysis.gains import common_rows, gains_verdict, growing, growing_figure, leave_one_out
from trainables.scores import calibration_error, tempered

LABELS = np.arange(600) % 3
FOLDS = np.arange(600) % 5


def probs(share: float, seed: int, sure: float = 0.8) -> np.ndarray:
    """(600, 3): so many say the label, the others another class."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(600) < share, LABELS, (LABELS + 1) % 3)
    return np.where(np.eye(3)[said] > 0, sure, (1 - sure) / 2)


def test_a_member_that_helps_is_missed_and_one_that_spoils_is_not() -> None:
    good = {f"{seed:03d}": probs(0.8, seed) for seed in range(3)}
    table = leave_one_out({**good, "bad": probs(0.05, 9, sure=0.999)}, LABELS).set_index("without")
    assert table.loc["bad", "high"] < 0
    assert leave_one_out(good, LABELS)["ahead"].mean() > 0  # three that err apart outvote two
    told = pd.DataFrame({"without": ["a", "b", "c"], "low": [0.01, -0.03, -0.01], "high": [0.03, -0.01, 0.01]})
    assert gains_verdict(told) == "Missed if left out: a. The mean is better without b."
    assert gains_verdict(leave_one_out({"000": good["000"]}, LABELS)).startswith("There is one member, or")


def test_a_member_like_another_is_not_told_to_matter() -> None:
    one = probs(0.8, 0)
    table = leave_one_out({"000": one, "001": one.copy(), "002": one.copy()}, LABELS)
    assert gains_verdict(table).startswith("Too little evidence")


def test_a_growing_mean_begins_with_the_first() -> None:
    members = {f"{seed:03d}": probs(0.7, seed, sure=0.6 + 0.1 * seed) for seed in range(3)}
    steps = growing(members, LABELS)
    assert steps["added"].tolist() == ["000", "001", "002"]
    assert (steps["ahead"].iloc[0], steps["ahead_se"].iloc[0]) == (0, 0)
    assert steps["accuracy"].iloc[0] == pytest.approx((members["000"].argmax(1) == LABELS).mean())
    growing_figure(steps)


def test_members_of_other_folds_have_no_mean() -> None:
    one, other = probs(0.8, 0), probs(0.8, 1)
    one[:300], other[300:] = np.nan, np.nan
    assert leave_one_out({"a": one, "b": other}, LABELS).empty
    assert growing({"a": one, "b": other}, LABELS).empty
    growing_figure(growing({"a": one, "b": other}, LABELS))


def test_only_rows_that_all_predicted_are_blended() -> None:
    one, other = probs(0.8, 0), probs(0.8, 1)
    other[:100] = np.nan
    assert common_rows({"a": one, "b": other}).sum() == 500
    assert np.isfinite(growing({"a": one, "b": other}, LABELS).to_numpy()[:, 2:].astype(float)).all()


def test_too_sure_a_model_is_found_and_mended() -> None:
    rng = np.random.default_rng(0)
    true = rng.dirichlet((1.0, 1.0, 1.0), 600)
    labels = (true.cumsum(1) > rng.random((600, 1))).argmax(1)
    sharp = tempered(true, 0.4)
    table = calibration({"true": true, "sharp": sharp}, labels, FOLDS).set_index("model")
    assert table.loc["sharp", "temperature"] == pytest.approx(2.5, rel=0.15)
    assert table.loc["sharp", "error"] > table.loc["sharp", "by_chance"] > table.loc["sharp", "error_after"]
    assert table.loc["true", "error"] < table.loc["true", "by_chance"]
    assert table["enough"].tolist() == [False, True]
    assert table.loc["sharp", "loss_after"] < table.loc["sharp", "loss"]
    assert len(calibration_figure({"true": true, "sharp": sharp}, labels, FOLDS).axes) == 2


def test_no_fold_is_tempered_by_itself() -> None:
    said = probs(0.8, 0)
    odd = said.copy()
    odd[FOLDS == 0] = np.roll(odd[FOLDS == 0], 1, axis=1)  # wrong in one fold
    one, two = cross_tempered(said, LABELS, FOLDS)[0], cross_tempered(odd, LABELS, FOLDS)[0]
    np.testing.assert_allclose(np.sort(one[FOLDS == 0]), np.sort(two[FOLDS == 0]))
    alone, _ = cross_tempered(said, LABELS, np.zeros(600, int))
    np.testing.assert_allclose(alone.sum(1), 1)


def test_reliability_by_hand() -> None:
    said = np.array([[0.95, 0.05]] * 10 + [[0.55, 0.45]] * 4)
    labels = np.array([0] * 9 + [1] + [0, 0, 1, 1])
    table = reliability(said, labels)
    assert table["images"].tolist() == [4, 10]
    assert table["accuracy"].tolist() == [0.5, 0.9]
    assert table["confidence"].tolist() == pytest.approx([0.55, 0.95])
    assert (table["low"] < table["accuracy"]).all()


def test_perfect_calibration_stays_below_what_chance_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.calibration._DRAWS", 60)
    rng = np.random.default_rng(0)
    said = np.full((300, 2), 0.3)
    said[:, 0] = 0.7
    within = [calibration_error(said, (rng.random(300) > 0.7).astype(int)) <= error_by_chance(said) for _ in range(40)]
    assert 0.85 <= np.mean(within) <= 1
