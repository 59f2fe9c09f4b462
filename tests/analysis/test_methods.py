"""Every method of blending passes the same tests; a new one needs no test code of its own."""

import warnings

import numpy as np
import pytest

from analysis.ensemble import METHODS, Members
from analysis.ensemble.method import Weighted
from analysis.ensemble.nested import nested
from analysis.ensemble.vote import vote
from trainables.scores import METRICS, accuracy

METRIC = METRICS[0]
SIMPLE = [name for name in METHODS if name not in ("mean", "vote")]

# A forest and a net draw or split in the order of columns; the others must not care who comes first.
UNORDERED = ["mean", "vote", "simplex", "greedy", "logistic"]


def made(strengths: list[float], n: int = 240, n_classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members (M, n, K) whose logits stand out by `strengths` at the label, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, size=n)
    logits = rng.normal(size=(len(strengths), n, n_classes))
    logits += np.array(strengths)[:, None, None] * np.eye(n_classes)[labels]
    probs = np.exp(logits)
    return probs / probs.sum(2, keepdims=True), labels


@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    @pytest.mark.parametrize("members", [1, 2, 4])
    def test_rows_are_probabilities(self, name: str, members: int) -> None:
        probs, labels = made([2.0, 1.5, 1.0, 0.5][:members])
        answer = METHODS[name](probs, labels, METRIC, 0)(probs[:, :7])
        assert answer.shape == (7, 3)
        assert (answer >= 0).all()
        np.testing.assert_allclose(answer.sum(1), 1, atol=1e-9)

    def test_the_same_again_and_nothing_else_is_moved(self, name: str) -> None:
        probs, labels = made([2.0, 1.0])
        kept, drawn = probs.copy(), np.random.get_state()[1].copy()  # noqa: NPY002 - that the global state stays
        one, two = (METHODS[name](probs, labels, METRIC, 3)(probs) for _ in range(2))
        assert np.array_equal(one, two)
        assert np.array_equal(probs, kept)
        assert np.array_equal(drawn, np.random.get_state()[1])  # noqa: NPY002

    def test_one_good_member_is_found_among_noise(self, name: str) -> None:
        """Where two members of three know nothing, whatever is fitted must come near the third, on other rows."""
        probs, labels = made([4.0, 0.0, 0.0], n=600)
        other, truth = made([4.0, 0.0, 0.0], n=2000, seed=1)
        found = accuracy(METHODS[name](probs, labels, METRIC, 0)(other), truth)
        alone, mean = accuracy(other[0], truth), accuracy(other.mean(0), truth)
        assert found > (alone - 0.01 if name in SIMPLE else mean - 0.15)

    def test_little_data_does_no_great_harm(self, name: str) -> None:
        """Forty rows of equal members: no method falls far behind the mean on other rows."""
        losses = []
        for seed in range(3):
            probs, labels = made([2.0, 2.0], n=40, seed=seed)
            other, truth = made([2.0, 2.0], n=1000, seed=100 + seed)
            losses.append(
                accuracy(other.mean(0), truth) - accuracy(METHODS[name](probs, labels, METRIC, 0)(other), truth)
            )
        assert np.mean(losses) < 0.08

    def test_a_class_that_no_label_names(self, name: str) -> None:
        probs, labels = made([2.0, 1.0])
        rows = labels != 2
        answer = METHODS[name](probs[:, rows], labels[rows], METRIC, 0)(probs)
        assert answer.shape == (len(labels), 3)
        assert np.isfinite(answer).all()

    def test_labels_of_one_class(self, name: str) -> None:
        probs, labels = made([2.0, 1.0], n=20)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = METHODS[name](probs, np.zeros_like(labels), METRIC, 0)(probs)
        assert np.isfinite(answer).all()

    @pytest.mark.parametrize("metric", METRICS)
    def test_every_metric_can_be_improved(self, name: str, metric: str) -> None:
        probs, labels = made([2.0, 0.0])
        assert accuracy(METHODS[name](probs, labels, metric, 0)(probs), labels) > 0.6

    def test_the_order_of_the_members_does_not_matter(self, name: str) -> None:
        probs, labels = made([2.0, 1.5, 0.5])
        answers = [METHODS[name](probs[order], labels, METRIC, 0)(probs[order]) for order in ([0, 1, 2], [2, 0, 1])]
        apart = max(float(abs(each - answers[0]).max()) for each in answers)
        agree = min(float((each.argmax(1) == answers[0].argmax(1)).mean()) for each in answers)
        assert apart < 0.01 if name in UNORDERED else agree > 0.85

    def test_the_names_of_the_classes_do_not_matter(self, name: str) -> None:
        probs, labels = made([2.0, 1.0])
        order = np.array([2, 0, 1])
        plain = METHODS[name](probs, labels, METRIC, 0)(probs)
        renamed = METHODS[name](probs[:, :, order], order.argsort()[labels], METRIC, 0)(probs[:, :, order])
        agree = (renamed.argmax(1) == order.argsort()[plain.argmax(1)]).mean()
        if name in ("mean", "vote", "simplex", "greedy", "cnn_1d"):
            np.testing.assert_allclose(renamed, plain[:, order], atol=1e-3)
        assert agree > 0.85

    def test_nested_never_sees_the_fold(self, name: str) -> None:
        """Members that know nothing: fitted on all rows many a method looks better than chance, nested none does."""
        rng = np.random.default_rng(0)
        labels, fold_of = rng.integers(0, 2, size=400), np.arange(400) % 4
        members = Members(("a", "b", "c"), rng.dirichlet(np.ones(2), size=(3, 400)), labels, fold_of)
        assert accuracy(nested(METHODS[name], members, METRIC, 0), labels) == pytest.approx(0.5, abs=0.09)


def test_the_simplex_finds_the_weights_that_labels_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), size=(3, 20_000))
    truth = np.einsum("m,mnk->nk", [0.6, 0.4, 0.0], probs)
    labels = (truth.cumsum(1) > rng.random((20_000, 1))).argmax(1)
    for metric in ("val_nll", "val_loss"):
        blend = METHODS["simplex"](probs, labels, metric, 0)
        assert isinstance(blend, Weighted)
        assert blend.weights == pytest.approx([0.6, 0.4, 0.0], abs=0.04)
        assert sum(blend.weights) == pytest.approx(1)


def test_a_majority_overrules_the_mean_and_a_tie_does_not() -> None:
    three = np.array([[[0.51, 0.49]], [[0.51, 0.49]], [[0.0, 1.0]]])
    assert three.mean(0).argmax(1) == 1
    assert vote(three).argmax(1) == 0
    assert vote(three[1:]).argmax(1) == 1  # one vote each: the surer one
