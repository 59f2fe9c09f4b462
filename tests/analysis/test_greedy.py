import numpy as np
import pytest

from analysis.ensemble import METHODS, Members, blend, submission
from analysis.ensemble.greedy import select
from analysis.ensemble.nested import nested
from trainables.scores import accuracy, log_loss

LABELS = np.array([0, 0, 1, 1, 2, 2])


def noisy(seed: int, strength: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(LABELS), 3)) + strength * np.eye(3)[LABELS]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_the_best_member_alone_when_the_others_are_noise() -> None:
    members = np.stack([noisy(0, -3.0), np.eye(3)[LABELS] * 0.98 + 0.01, noisy(1, -3.0)])
    counts = select(members, LABELS, "val_nll")
    assert counts[1] > 0
    assert counts[0] == counts[2] == 0


def test_members_that_err_on_different_rows_are_mixed() -> None:
    one, two = (np.eye(3)[LABELS] * 0.9 + 0.033 for _ in range(2))
    one[0], two[5] = [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]
    counts = select(np.stack([one, two]), LABELS, "val_nll")
    assert counts[0] == counts[1] > 0
    mixed = blend([one, two], [0.5, 0.5])
    assert log_loss(mixed, LABELS) < min(log_loss(one, LABELS), log_loss(two, LABELS))


@pytest.mark.parametrize("metric", ["val_nll", "val_accuracy"])
def test_never_worse_than_the_best_member(metric: str) -> None:
    members = np.stack([noisy(seed, 1.0) for seed in range(6)])
    counts = np.array(select(members, LABELS, metric))
    mixed = blend(list(members), list(counts / counts.sum()))
    if metric == "val_nll":
        assert log_loss(mixed, LABELS) <= min(log_loss(member, LABELS) for member in members) + 1e-12
    else:
        assert accuracy(mixed, LABELS) >= max(accuracy(member, LABELS) for member in members)


def test_the_smallest_ensemble_among_equals() -> None:
    same = np.eye(3)[LABELS] * 0.9 + 0.033
    assert select(np.stack([same, same]), LABELS, "val_loss") == [1, 0]


def test_nested_weights_are_picked_without_the_fold_that_they_are_scored_on() -> None:
    """Members that know nothing: the best of many looks better than chance, its nested score does not."""
    rng = np.random.default_rng(0)
    labels, fold_of = rng.integers(0, 2, size=100), np.arange(100) % 5
    flattered, unflattered = [], []
    for _ in range(20):
        members = rng.dirichlet(np.ones(2), size=(8, 100))
        counts = np.array(select(members, labels, "val_accuracy", rounds=5))
        flattered.append(accuracy(blend(list(members), list(counts / counts.sum())), labels))
        entrants = Members(tuple("abcdefgh"), members, labels, fold_of)
        unflattered.append(accuracy(nested(METHODS["greedy"], entrants, "val_accuracy", 0), labels))
    assert np.mean(flattered) > 0.56
    assert np.mean(unflattered) == pytest.approx(0.5, abs=0.03)  # 20 means of 100 images: a standard error of 0.011


def test_a_submission_keeps_its_rows() -> None:
    text = submission(["b.jpg", "a.jpg"], np.array([[0.1, 0.9], [0.8, 0.2]]))
    assert text == "image_id,label\nb.jpg,1\na.jpg,0\n"
