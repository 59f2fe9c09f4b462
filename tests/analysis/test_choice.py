"""The winner's rule with tables of numbers, and the nesting of the choice."""

import numpy as np
import pytest

from analysis.ensemble import METHODS, Members
from analysis.ensemble.choice import ahead_by, best_method, compare_methods
from analysis.ensemble.mean import fit as mean
from analysis.ensemble.method import Blend, equal
from analysis.ensemble.nested import without_two
from trainables.scores import METRICS

SMALL = {name: METHODS[name] for name in ("mean", "vote", "simplex", "greedy")}
SWING = np.tile([1.0, -1.0], 50)


def right(more: int, less: int = 0) -> np.ndarray:
    """Of 100 images, hits of a method that finds `more` that the mean does not, and misses `less` that it finds."""
    found = np.zeros(100)
    found[: 50 - less] = 1
    found[50 : 50 + more] = 1
    return found


@pytest.mark.parametrize(
    ("lead", "more", "less", "taken"),
    [
        (0.20, 9, 0, "other"),  # 2.0 standard errors in the metric, 3.1 in accuracy
        (0.20, 4, 0, "other"),  # 2.04 in accuracy
        (0.20, 3, 0, "mean"),  # 1.8 in accuracy
        (0.20, 20, 18, "mean"),
        (0.19, 9, 0, "mean"),  # 1.9 in the metric
        (0.90, 0, 0, "mean"),  # only how sure it is differs
        (0.90, 0, 9, "mean"),
        (-0.5, 9, 0, "mean"),
    ],
)
def test_the_mean_unless_a_rival_is_ahead_by_more_than_the_noise(lead: float, more: int, less: int, taken: str) -> None:
    method, why = best_method(
        {"mean": np.zeros(100), "other": lead + SWING}, {"mean": right(0), "other": right(more, less)}
    )
    assert method == taken
    assert "standard errors" in why


def test_the_most_accurate_of_those_that_are_ahead() -> None:
    goods = {"mean": np.zeros(100), "sure": 0.9 + SWING, "right": 0.4 + SWING, "both": 0.4 + SWING}
    hits = {"mean": right(0), "sure": right(1), "right": right(12), "both": right(9)}
    assert best_method(goods, hits)[0] == "right"


def test_more_rivals_must_be_further_ahead() -> None:
    assert ahead_by(2) == pytest.approx(1.96, abs=0.01)
    assert ahead_by(9) == pytest.approx(2.73, abs=0.01)
    goods, hits = {"mean": np.zeros(100), "one": 0.25 + SWING}, {"mean": right(0), "one": right(9)}
    assert best_method(goods, hits)[0] == "one"
    others = {name: np.zeros(100) for name in "abcdefg"}
    assert best_method(goods | others, hits | {name: right(0) for name in others})[0] == "mean"


def test_the_mean_alone_has_no_rival() -> None:
    assert best_method({"mean": np.zeros(4)}, {"mean": np.zeros(4)})[0] == "mean"


def noise(members: int, folds: int, n: int = 300) -> Members:
    rng = np.random.default_rng(1)
    probs = rng.dirichlet(np.ones(3), size=(members, n))
    return Members(tuple("abcdef"[:members]), probs, rng.integers(0, 3, n), np.arange(n) % folds)


def test_among_members_that_know_nothing_the_mean_is_taken() -> None:
    choice = compare_methods(noise(4, 3), METRICS[0], 0, methods=SMALL)
    assert choice.method == "mean"
    assert [row["method"] for row in choice.candidates] == list(SMALL)
    assert choice.candidates[0]["ahead_of_mean"] == 0
    np.testing.assert_array_equal(choice.probs, choice.honest_probs)


def test_a_member_that_is_far_better_is_given_its_weight() -> None:
    members = noise(3, 3)
    probs = members.pred_probs.copy()
    probs[1] = np.eye(3)[members.labels] * 0.85 + 0.05
    choice = compare_methods(
        Members(members.names, probs, members.labels, members.fold_of), METRICS[0], 0, methods=SMALL
    )
    assert choice.method in ("simplex", "greedy")
    assert choice.by_fold.count("mean") == 0
    assert "standard errors" in choice.because


@pytest.mark.parametrize(("members", "folds", "why"), [(1, 5, "one member"), (3, 2, "two folds")])
def test_where_there_is_nothing_to_choose_it_is_the_mean(members: int, folds: int, why: str) -> None:
    choice = compare_methods(noise(members, folds), METRICS[0], 0)
    assert (choice.method, choice.by_fold) == ("mean", ["mean"] * folds)
    assert why in choice.because


def test_the_choice_sees_neither_of_two_folds() -> None:
    """A method that writes down which rows it was fitted on."""
    members = noise(2, 4, n=40)
    numbered = members.pred_probs.copy()
    numbered[0, :, 0] = np.arange(40)  # no probability: a row's name, for the method to see
    seen: list[set[int]] = []

    def watched(pred_probs: np.ndarray, labels: np.ndarray, metric: str, seed: int) -> Blend:
        seen.append({int(row) for row in pred_probs[0, :, 0]})
        return equal(2)

    filled = without_two(watched, Members(members.names, numbered, members.labels, members.fold_of), METRICS[0], 0)
    assert len(seen) == 6
    assert {frozenset(row % 4 for row in rows) for rows in seen} == {
        frozenset({0, 1, 2, 3} - {one, two}) for one in range(4) for two in range(one)
    }
    for fold in range(4):
        empty = np.isnan(filled[fold]).any(1)
        assert (empty == (members.fold_of == fold)).all()


def test_a_choice_by_the_labels_that_are_scored_would_flatter() -> None:
    """Of two hundred methods that answer at random the best looks good; nested, the choice is worth what it is."""

    def at_random(number: int) -> object:
        def fit(pred_probs: np.ndarray, labels: np.ndarray, metric: str, seed: int) -> Blend:
            return lambda probs: np.random.default_rng(number).dirichlet(np.ones(3), size=probs.shape[1])

        return fit

    methods = {"mean": mean} | {f"random {number}": at_random(number) for number in range(60)}
    choice = compare_methods(noise(2, 3), "val_accuracy", 0, methods=methods)  # type: ignore[arg-type]
    shares = [row["accuracy"] for row in choice.candidates]
    assert max(shares) > 1 / 3 + 0.05
    assert choice.method == "mean"
