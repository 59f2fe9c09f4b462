import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cluster.kinds import DIAGONAL, FULL
from cluster.promotion import (
    RULED_OUT_BEYOND,
    Promotion,
    Standing,
    backbones,
    diagonal,
    losers,
    ranked,
    ruled_out,
    standings,
    turns,
)
from search_spaces import Recipe
from trainables.comparison import paired
from trainables.member import Member
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
    assert [*ranked(standings)][:count] == numbers
    assert [*ranked(standings[::-1])][:count] == numbers


def test_who_was_cut_comes_before_those_that_it_is_ahead_of_already() -> None:
    """Of the four that finished, trial 6 is ahead of the second and all behind it, trial 8 of the last, 7 of none."""
    cut = [Standing(6, 4, 0.81), Standing(7, 8, 0.69), Standing(8, 1, 0.755)]
    whole = [Standing(9, 9, 0.82), *(Standing(*row) for row in TABLE)]
    assert [*ranked([*whole, *cut])] == [9, 2, 4, 0, 7, 5, 3, 6, 1, 8], "furthest first, where nothing was cut"
    found = ranked([*whole, *(replace(each, cut=True) for each in cut)])
    assert [*found] == [9, 6, 2, 4, 8, 0, 7, 5, 3, 1]
    assert (found[6], found[8]) == (4, 1), "the epochs that they did reach"


def test_nobody_is_promoted_from_nothing() -> None:
    assert [*ranked([])][:3] == []


# The epochs that trials reached, best first, and their backbones.
REACHED = dict.fromkeys([5, 2, 8, 1, 4, 7], 9)
OF = {5: "a", 2: "a", 8: "b", 1: "a", 4: "c", 7: "b"}


def test_the_best_of_each_backbone_comes_first_then_the_next_best() -> None:
    assert turns(REACHED, OF) == [5, 8, 4, 2, 1, 7]
    assert turns(REACHED, dict.fromkeys(REACHED, "a")) == [*REACHED]
    assert turns({}, {}) == []


def test_a_backbone_that_was_stopped_early_waits_for_its_turn() -> None:
    assert turns({**REACHED, 4: 2, 7: 2}, OF) == [5, 8, 2, 1, 4, 7]
    assert turns({**REACHED, 8: 6, 1: 6, 4: 6, 7: 2}, OF) == [5, 2, 8, 1, 4, 7]


@pytest.mark.parametrize(
    ("order", "diverged", "trials"),
    [
        ([5, 8, 4, 2, 1, 7], [], (5, 8, 4)),
        ([5, 8], [], (5, 8, 5)),  # fewer trials than folds begin again
        ([5], [], (5, 5, 5)),
        ([5, 8, 4, 2, 1, 7], [(8, 1)], (5, 1, 4)),  # the others stay
        ([5, 8, 4, 2, 1, 7], [(8, 1), (4, 2), (5, 0)], (2, 1, 7)),
        ([5, 8, 4, 2, 1, 7], [(8, 2), (1, 0)], (5, 8, 4)),  # on another fold than its own
        ([5, 8, 4, 2], [(8, 1)], (5, 2, 4)),  # one that has no fold
        ([5, 8, 4], [(8, 1)], (5, 5, 4)),  # there is none, so the best takes two
        ([5, 8, 4], [(5, 0), (5, 1), (8, 1)], (8, 4, 4)),
        ([5, 8], [(5, 2), (8, 2)], ()),
        ([], [], ()),
    ],
)
def test_a_diagonal_has_a_trial_for_each_fold(
    order: list[int], diverged: list[tuple[int, int]], trials: tuple[int, ...]
) -> None:
    assert diagonal(order, 3, diverged.__contains__) == trials


def test_full_promotion_is_each_of_the_best_and_a_diagonal_is_one_member() -> None:
    assert Promotion(FULL, 2, 3).members(REACHED, OF, [(5, 1)].__contains__) == [Member((5, 5, 5)), Member((2, 2, 2))]
    assert Promotion(DIAGONAL, 1, 3).members(REACHED, OF) == [Member((5, 8, 4))]
    assert Promotion(DIAGONAL, 1, 3).members(REACHED, OF, [(4, 2)].__contains__) == [Member((5, 8, 7))]
    assert Promotion(DIAGONAL, 1, 3).members({}, {}) == []


def test_a_member_is_stored_as_a_number_where_one_trial_answers() -> None:
    for stored, trials, name in ((5, (5, 5, 5), "005"), ([5, 8, 4], (5, 8, 4), "005/008/004")):
        member = Member.of(stored, 3)
        assert (member.trials, member.stored, str(member)) == (trials, stored, name)
    assert Member((5, 8, 5)).by_trial == {5: [0, 2], 8: [1]}
    assert Member((5, 8, 5)).pairs == [(5, 0), (8, 1), (5, 2)]


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
    backbone = rng.choice(["test_vit", "test_resnet"])
    recipe = Recipe(backbone=backbone, image_size=32, batch_size=16, learning_rate=1e-3, epochs=9)
    return Trial(number, recipe, status, pd.DataFrame({"val_accuracy": [rng.random() for _ in range(epochs)]}))


@pytest.mark.parametrize("seed", range(10))
def test_sixty_trials_never_keep_more_than_the_promoted_and_never_lose_one_of_them(seed: int) -> None:
    rng = random.Random(seed)
    for promotion in (Promotion(FULL, 3, 5), Promotion(DIAGONAL, 1, 5)):
        ended: list[Trial] = []
        weights: set[int] = set()
        for number in range(60):
            ended.append(_trial(number, rng))
            rivals = [trial for trial in ended if trial.number in weights | {number}]
            weights = (weights | {number}) - set(losers(ended, promotion, "val_accuracy"))
            assert {t.number for t in rivals} - set(losers(rivals, promotion, "val_accuracy")) == weights, (
                "lost is lost"
            )
            assert len(weights) <= promotion.count
        members = promotion.members(ranked(standings(ended, "val_accuracy")), backbones(ended))
        assert weights == {member.trials[0] for member in members}, "their nets of fold 0 are not trained again"


def test_a_failed_or_unfinished_trial_is_no_loser_yet() -> None:
    good = _trial(0, random.Random(0))
    for status in ("failed", "unfinished"):
        assert losers([Trial(1, good.recipe, status, good.epochs)], Promotion(FULL, 0, 5), "val_accuracy") == []
