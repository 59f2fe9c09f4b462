import itertools
import math

import numpy as np
import pytest

from analysis import affordable
from analysis.affordable import Costs, Evidence, best_within, options
from analysis.ensemble import Weighted
from trainables.scores import goodness, score
from trainables.view_means import nested_means

LABELS = np.random.default_rng(0).integers(0, 3, 400)


def member(noise: float, seed: int, views: int = 3) -> np.ndarray:
    """Nested means of views whose errors are each their own."""
    rng = np.random.default_rng(seed)
    logits = 1.2 * np.eye(3)[LABELS] + rng.normal(0, noise, (views, len(LABELS), 3))
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return nested_means(probs.astype(np.float32))


EVEN = Weighted((0.5, 0.5))
EVIDENCE = Evidence([member(1.0, 1), member(1.5, 2)], EVEN.weights, EVEN, LABELS, "val_nll")
COSTS = Costs(0.1, (1.0, 3.0))


def test_costs_add_up() -> None:
    assert COSTS.of((2, 1), nets=5) == pytest.approx(0.1 + 5 * (2 * 1.0 + 3.0))


def test_a_dearer_option_is_a_better_one() -> None:
    ways = options(EVIDENCE, 5, COSTS)
    costs = [way.image_s for way in ways]
    assert costs == sorted(costs)
    scores = [way.score for way in ways if not math.isnan(way.score)]
    assert scores == sorted(scores, reverse=True)
    assert all(way.score == score("val_nll", EVIDENCE.probs(way.views), LABELS) for way in ways[4:])


def test_fold_nets_are_given_up_last() -> None:
    ways = options(EVIDENCE, 5, COSTS)
    assert [way.nets for way in ways[:5]] == [1, 2, 3, 4, 5]
    assert {way.views for way in ways[:5]} == {ways[4].views} and sum(ways[4].views) == 1
    assert {way.nets for way in ways[4:]} == {5}


@pytest.mark.parametrize("most_tried", [1000, 1])
def test_what_is_found_is_near_the_best_of_all_subsets(most_tried: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affordable, "_MOST_TRIED", most_tried)
    ways = options(EVIDENCE, 1, COSTS)
    every = [views for views in itertools.product(range(4), repeat=2) if any(views)]
    for limit in (1.2, 3.5, 6.5, 9.5, 12.5):
        goods = [
            goodness("val_nll", score("val_nll", EVIDENCE.probs(v), LABELS)) for v in every if COSTS.of(v, 1) <= limit
        ]
        found = best_within(ways, limit)
        assert found is not None and found.image_s <= limit
        assert goodness("val_nll", found.score) >= max(goods) - (0.01 if most_tried == 1 else 1e-12)


def test_a_member_that_only_harms_is_in_no_option_but_the_way_to_the_others() -> None:
    confident = member(0.5, 3)
    wrong = nested_means(np.repeat(np.roll(confident[:1], 1, axis=2), 3, axis=0))
    ways = options(Evidence([confident, wrong], EVEN.weights, EVEN, LABELS, "val_nll"), 2, Costs(0.0, (1.0, 1.0)))
    assert {way.views[1] for way in ways} == {0}


def test_nothing_is_affordable_below_the_cheapest() -> None:
    ways = options(EVIDENCE, 2, COSTS)
    assert best_within(ways, ways[0].image_s / 2) is None
    assert best_within(ways, 1e9) == ways[-1]


def test_all_members_together_are_blended_as_the_ensemble_is() -> None:
    means = [member(1.0, 1), member(1.5, 2)]
    second_only = Evidence(means, EVEN.weights, lambda probs: probs[1].astype(np.float64), LABELS, "val_nll")
    np.testing.assert_allclose(second_only.probs((2, 3)), means[1][2])
    np.testing.assert_allclose(second_only.probs((2, 0)), means[0][1])
