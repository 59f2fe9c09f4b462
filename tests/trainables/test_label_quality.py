"""Suspicious labels on made-up predictions whose flips are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from search_spaces import InputError
from trainables import label_quality

Found = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]


def flipped_labels(share: float, n: int = 600, k: int = 4) -> Found:
    """Labels of which a share is another class, predictions that know the truth, and which labels were flipped."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, k, n)
    labels = true.copy()
    chosen = rng.choice(n, round(share * n), replace=False)
    labels[chosen] = (true[chosen] + rng.integers(1, k, len(chosen))) % k
    probs = rng.dirichlet(np.ones(k), n) * 0.3
    probs[np.arange(n), true] += 0.7
    return labels, probs, labels != true


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_known_flips_are_flagged_and_rank_first(share: float) -> None:
    labels, probs, flipped = flipped_labels(share)
    assert (label_quality.suspicious(labels, probs) == flipped).mean() > 0.99
    worst = np.argsort(label_quality.quality(labels, probs))[: flipped.sum()]
    assert flipped[worst].mean() > 0.99
    assert label_quality.wrong_share(labels, probs) == pytest.approx(share, abs=0.02)


def test_quality_is_the_given_label_s_probability() -> None:
    labels, probs, _ = flipped_labels(0.2)
    np.testing.assert_allclose(label_quality.quality(labels, probs), probs[np.arange(len(labels)), labels])


def test_predictions_that_agree_with_every_label_flag_none() -> None:
    labels, probs, _ = flipped_labels(0.0)
    flagged = label_quality.suspicious(labels, probs)
    assert not flagged.any()
    assert label_quality.expected_right(labels, probs, flagged) is None


def test_single_precision_is_no_other_answer() -> None:
    labels, probs, _ = flipped_labels(0.2)
    np.testing.assert_array_equal(
        label_quality.suspicious(labels, probs.astype(np.float32)), label_quality.suspicious(labels, probs)
    )


def test_how_many_suspicions_are_wrong_is_foretold_where_probabilities_are_true() -> None:
    """Labels drawn from the probabilities themselves: the flagged ones are as often as given as they say."""
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(3, 0.5), 4000)
    labels = np.array([rng.choice(3, p=each) for each in probs])
    again = np.array([rng.choice(3, p=each) for each in probs])  # what another labeller says
    flagged = label_quality.suspicious(labels, probs)
    assert flagged.sum() > 200
    expected = label_quality.expected_right(labels, probs, flagged)
    assert (again == labels)[flagged].mean() == pytest.approx(expected, abs=0.04)


def test_without_the_library_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_quality, "find_spec", lambda name: None)
    assert not label_quality.available()
    with pytest.raises(InputError, match="pip install cleanlab"):
        label_quality.suspicious(np.zeros(3, np.int64), np.ones((3, 2)) / 2)
