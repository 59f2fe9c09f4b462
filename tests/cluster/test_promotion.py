import numpy as np
import pytest

from cluster.promotion import RULED_OUT_BEYOND, Standing, best, ruled_out
from trainables.comparison import paired
from trainables.scores import METRICS, goods_by_image

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
