import math

import numpy as np
import pytest

from trainables.scores import accuracy, accuracy_se, goodness, log_loss, score

PROBS = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
LABELS = np.array([0, 1, 1])


def test_scores_by_hand() -> None:
    assert accuracy(PROBS, LABELS) == pytest.approx(2 / 3)
    assert log_loss(PROBS, LABELS) == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.4)) / 3)
    assert accuracy_se(0.9, 100) == pytest.approx(0.03)


def test_a_sure_and_wrong_prediction_is_finite_and_nan_stays_nan() -> None:
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-math.log(1e-7))
    assert math.isnan(log_loss(np.array([[math.nan, math.nan]]), np.array([1])))


def test_goodness_is_higher_for_better() -> None:
    assert goodness("val_loss", 0.1) > goodness("val_loss", 0.2)
    assert goodness("val_accuracy", 0.2) > goodness("val_accuracy", 0.1)
    assert score("val_loss", PROBS, LABELS) == log_loss(PROBS, LABELS)
    assert score("val_accuracy", PROBS, LABELS) == accuracy(PROBS, LABELS)
