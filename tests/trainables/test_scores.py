import math

import numpy as np
import pytest

from trainables import scores

PROBS = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
LABELS = np.array([0, 1, 1])


def honest(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, k) and labels drawn from them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(k), size=n)
    return probs, np.array([rng.choice(k, p=row) for row in probs])


def test_scores_by_hand() -> None:
    assert scores.accuracy(PROBS, LABELS) == pytest.approx(2 / 3)
    assert scores.log_loss(PROBS, LABELS) == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.4)) / 3)
    assert scores.accuracy_se(0.9, 100) == pytest.approx(0.03)
    assert scores.calibration_error(PROBS, LABELS) == pytest.approx((0.1 + 0.2 + 0.6) / 3)


def test_a_sure_and_wrong_prediction_is_finite_and_nan_stays_nan() -> None:
    assert scores.log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-math.log(1e-7))
    nan = np.full((4, 2), math.nan)
    assert all(math.isnan(scores.score(metric, nan, np.array([0, 1, 0, 1]))) for metric in ("val_loss", "val_nll"))


@pytest.mark.parametrize("metric", scores.METRICS)
def test_goodness_is_higher_for_better(metric: str) -> None:
    probs, labels = honest(400, 3, seed=0)
    worse = probs[:, ::-1]
    good, bad = (scores.goodness(metric, scores.score(metric, each, labels)) for each in (probs, worse))
    assert good > bad


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_spoilt_calibration_is_found(temperature: float) -> None:
    probs, labels = honest(4000, 4, seed=1)
    spoilt = scores.tempered(probs, 1.0 / temperature)
    assert scores.fit_temperature(spoilt, labels) == pytest.approx(temperature, rel=0.05)


def test_val_loss_does_not_ask_how_sure_a_net_says_it_is() -> None:
    probs, labels = honest(500, 4, seed=2)
    sure = scores.tempered(probs, 0.3)
    assert scores.score("val_nll", sure, labels) > scores.score("val_nll", probs, labels) + 0.3
    assert scores.score("val_loss", sure, labels) == pytest.approx(scores.score("val_loss", probs, labels), abs=1e-3)


def test_the_cross_fitted_temperature_does_not_flatter() -> None:
    """Nets that know nothing are not below log K in the mean; a temperature fitted on the same rows would flatter."""
    cross_fitted, flattered = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        probs, labels = rng.dirichlet(np.ones(3), size=30), rng.integers(0, 3, size=30)
        cross_fitted.append(scores.score("val_loss", probs, labels))
        fitted = scores.tempered(probs, scores.fit_temperature(probs, labels))
        flattered.append(scores.log_loss(fitted, labels))
    assert np.mean(cross_fitted) > math.log(3)
    assert np.mean(flattered) < np.mean(cross_fitted)


def test_an_epoch_reports_errors_beside_scores() -> None:
    probs, labels = honest(1000, 3, seed=3)
    row = scores.validation(probs, labels)
    assert row["val_loss"] == scores.score("val_loss", probs, labels)
    assert row["val_accuracy_se"] == pytest.approx(scores.accuracy_se(row["val_accuracy"], 1000))
    for metric in scores.METRICS:
        values = scores.by_image(metric, probs, labels)
        assert row[metric] == pytest.approx(values.mean())
        assert row[f"{metric}_se"] == pytest.approx(values.std() / math.sqrt(1000))
    assert row["val_loss_se"] == pytest.approx(np.std(scores.losses(probs, labels)) / math.sqrt(1000), rel=0.1)
    assert row["temperature"] == pytest.approx(1.0, abs=0.1)
    assert row["calibration_error"] < 0.06


def test_one_wrong_label_costs_a_bounded_robust_loss() -> None:
    """Between the likelihood and the error rate: what one sure and wrong prediction adds cannot exceed 1 / 0.7."""
    probs, labels = honest(400, 3, seed=4)
    sure, wrong = probs.copy(), labels.copy()
    sure[0], wrong[0] = (1.0, 0.0, 0.0), 2
    cost = {metric: scores.by_image(metric, sure, wrong)[0] for metric in ("val_robust_loss", "val_loss")}
    assert cost["val_robust_loss"] < 1 / scores.ROBUST_POWER < 10 < cost["val_loss"]


def test_the_robust_loss_is_generalized_cross_entropy_of_calibrated_probabilities() -> None:
    probs, labels = honest(100, 3, seed=5)
    p = np.exp(-scores.calibrated_losses(probs, labels))
    np.testing.assert_allclose(scores.robust_losses(probs, labels), (1 - p**0.7) / 0.7)


def test_tables_show_the_number_that_decides() -> None:
    wanted = ["val_robust_loss", "val_loss", "val_nll", "val_loss"]
    assert [scores.shown(metric)[0] for metric in scores.METRICS] == wanted
