import random

import numpy as np
import pandas as pd
import pytest

from cluster.promotion import RULED_OUT_BEYOND, Standing, best, losers, ruled_out, standings
from search_spaces import Recipe
from trainables.comparison import paired
from trainables.scores import METRICS, goods_by_image
from trainables.trial import Trial

# number, epoch, good
TABLE = [(0, 9, 0.70), (1, 2, 0.99), (2, 9, 0.80), (3, 6, 0.75), (4, 9, 0.80), (5, 6, 0.76)]


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        (1, [2]),  # a tie keeps the order of the numbers
        (3, [2, 4, 0]),
        (4, [2, 4, 0, 5]),  # further beats better
        (6, [2, 4, 0, 5, 3, 1]),
        (9, [2, 4, 0, 5, 3, 1]),  # no more than there are
    ],
)
def test_furthest_first_then_best(count: int, numbers: list[int]) -> None:
    standings = [Standing(*row) for row in TABLE]
    assert best(standings, count) == numbers
    assert best(standings[::-1], count) == numbers


def test_nobody_is_promoted_from_nothing() -> None:
    assert best([], 3) == []


def _members(seed: int, **shares: float) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Members by number that put their share of probability on the label, each with noise of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=300)
    rows = {
        number: share * np.eye(3)[labels] + (1 - share) * rng.dirichlet(np.ones(3), size=300)
        for number, share in enumerate(shares.values())
    }
    return rows, labels


@pytest.mark.parametrize("metric", METRICS)
def test_who_is_clearly_behind_and_no_help_is_ruled_out(metric: str) -> None:
    members, labels = _members(0, good=0.4, hopeless=-0.2)
    members = {number: np.clip(probs, 1e-3, None) for number, probs in members.items()}
    members = {number: probs / probs.sum(1, keepdims=True) for number, probs in members.items()}
    assert ruled_out(members, labels, metric) == [1]
    assert ruled_out(dict(reversed(members.items())), labels, metric) == [1]


def test_who_is_behind_but_helps_the_leader_stays() -> None:
    labels = np.arange(300) % 3
    right, wrong = (share * np.eye(3)[labels] + (1 - share) / 3 for share in (0.6, -0.4))
    members = {0: np.where((labels != 2)[:, None], right, wrong), 1: np.where((labels == 2)[:, None], right, wrong)}
    goods = {number: goods_by_image("val_nll", probs, labels) for number, probs in members.items()}
    difference = paired(goods[0], goods[1])
    assert difference.behind > RULED_OUT_BEYOND * difference.se, "alone it would be ruled out"
    assert ruled_out(members, labels, "val_nll") == []


def test_ties_and_lone_leaders_stay() -> None:
    members, labels = _members(2, one=0.3, other=0.3)
    assert ruled_out(members, labels, "val_loss") == []
    assert ruled_out({4: members[0]}, labels, "val_loss") == []
    assert ruled_out({4: members[0], 5: members[0].copy()}, labels, "val_loss") == []


def _trial(number: int, rng: random.Random) -> Trial:
    status = rng.choice(["finished", "stopped", "stopped", "stopped", "diverged"])
    epochs = {"finished": 9, "stopped": rng.choice([2, 6]), "diverged": rng.randint(1, 9)}[status]
    recipe = Recipe(backbone="test_vit", image_size=32, batch_size=16, learning_rate=1e-3, epochs=9)
    return Trial(number, recipe, status, pd.DataFrame({"val_accuracy": [rng.random() for _ in range(epochs)]}))


@pytest.mark.parametrize("seed", range(10))
def test_sixty_trials_never_keep_more_than_the_promoted_and_never_lose_one_of_them(seed: int) -> None:
    rng, promote = random.Random(seed), 3
    ended: list[Trial] = []
    weights: set[int] = set()
    for number in range(60):
        ended.append(_trial(number, rng))
        weights = (weights | {number}) - set(losers(ended, promote, "val_accuracy"))
        assert len(weights) <= promote
    assert weights == set(best(standings(ended, "val_accuracy"), promote))


def test_a_failed_or_unfinished_trial_is_no_loser_yet() -> None:
    good = _trial(0, random.Random(0))
    for status in ("failed", "unfinished"):
        assert losers([Trial(1, good.recipe, status, good.epochs)], 0, "val_accuracy") == []
