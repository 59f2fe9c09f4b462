import numpy as np
import pytest
from scipy.optimize import approx_fprime

from analysis.ensemble import objective
from trainables.scores import METRICS, fit_temperature, score

RNG = np.random.default_rng(0)
PROBS = RNG.dirichlet(np.ones(4), size=(3, 400))
LABELS = np.where(RNG.random(400) < 0.6, PROBS[0].argmax(1), RNG.integers(0, 4, 400))


@pytest.mark.parametrize("metric", METRICS)
def test_slopes_are_the_differences_quotient_s(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "_CLOSE", 1e-12)
    monkeypatch.setattr(objective, "_STEPS", 60)

    def loss(weights: np.ndarray) -> float:
        return objective.smooth_loss(np.einsum("m,mnk->nk", weights, PROBS), LABELS, metric)[0]

    weights = np.array([0.5, 0.3, 0.2])
    _, slopes = objective.smooth_loss(np.einsum("m,mnk->nk", weights, PROBS), LABELS, metric)
    by_weight = np.einsum("mnk,nk->m", PROBS, slopes)
    np.testing.assert_allclose(by_weight, approx_fprime(weights, loss, 1e-6), atol=1e-5)


@pytest.mark.parametrize("start", [0.1, 1.0, 8.0])
def test_the_power_is_one_over_the_temperature_of_scores(start: float) -> None:
    power = objective.fit_power(PROBS[0], LABELS, "val_loss", start).power
    assert power == pytest.approx(1 / fit_temperature(PROBS[0], LABELS), rel=0.01)
    assert objective.fit_power(PROBS[0], LABELS, "val_nll").power == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_it_is_near_the_score(metric: str) -> None:
    """Apart by the cross-fitting of a temperature alone."""
    value = objective.mean_loss(objective.fit_power(PROBS[0], LABELS, metric), LABELS, metric)
    told = score(metric, PROBS[0], LABELS)
    assert value == pytest.approx(1 - told if metric == "val_accuracy" else told, abs=0.01)
