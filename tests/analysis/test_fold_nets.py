"""FoldNets whose folds have one net each beside those that answer by the mean of several epochs' nets."""

from pathlib import Path

import numpy as np
import pytest

from analysis.fold_nets import FoldNets
from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.files import load_json, save_json
from trainables.layout import SearchFolder

USUAL = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8, "learning_rate": 0.01, "epochs": 4}


@pytest.fixture
def members(tmp_path: Path) -> FoldNets:
    """Trial 3 answers by one net a fold, trial 5 by two; two folds."""
    search = SearchFolder(tmp_path)
    save_json(search.trial(3).recipe, Recipe(**USUAL, tta_count=2).to_dict())
    save_json(search.trial(5).recipe, Recipe(**USUAL, answer="mean", answer_epochs=2).to_dict())
    save_json(
        search.ensemble,
        {"members": [3, 5], "weights": [0.25, 0.75], "method": "greedy", "metric": "val_loss", "seed": 0},
    )
    Folds(2, 0, "d", np.arange(4) % 2, np.ones(4, np.bool_)).save(search.folds)
    return FoldNets.load(search)


def test_every_net_that_answers_is_named(members: FoldNets) -> None:
    names = [path.relative_to(members.search.trials).as_posix() for path in members.nets]
    assert names == [
        "003/fold0/weights.safetensors", "003/fold1/weights.safetensors",
        "005/fold0/epoch003.safetensors", "005/fold0/weights.safetensors",
        "005/fold1/epoch003.safetensors", "005/fold1/weights.safetensors",
    ]  # fmt: skip
    assert members.names == ["003", "005"]
    assert members.own_counts == (2, 2, 1, 1, 1, 1)


def test_folds_are_given_up_with_all_their_nets(members: FoldNets) -> None:
    assert members.counts((2, 3)) == (2, 2, 3, 3, 3, 3)
    assert members.counts((2, 3), nets=1) == (2, 0, 3, 3, 0, 0)
    assert members.by_member([0.1, 0.3, 1.0, 2.0, 3.0, 4.0]) == pytest.approx((0.2, 5.0))


def test_each_member_answers_by_the_mean_of_the_nets_that_looked(members: FoldNets) -> None:
    of_nets = [0.1, 0.3, 0.2, 0.4, 0.6, 0.8]
    probs = np.array([[[share, 1 - share]] for share in of_nets])
    assert members.answer(probs)[0, 0] == pytest.approx(0.25 * 0.2 + 0.75 * 0.5)
    probs[[1, 4, 5]] = np.nan
    assert members.answer(probs)[0, 0] == pytest.approx(0.25 * 0.1 + 0.75 * 0.3)
    probs[:2] = np.nan
    assert members.answer(probs)[0, 0] == pytest.approx(0.3)


def test_the_folds_of_a_diagonal_count_alike_however_many_nets_they_have(members: FoldNets) -> None:
    """Trial 3 answers in fold 0 by one net and two views, trial 5 in fold 1 by two nets and one view each."""
    stored = load_json(members.search.ensemble)
    save_json(members.search.ensemble, {**stored, "members": [[3, 5]], "weights": [1.0], "method": "mean"})
    diagonal = FoldNets.load(members.search)
    assert diagonal.names == ["003/005"]
    assert [path.relative_to(members.search.trials).as_posix() for path in diagonal.nets] == [
        "003/fold0/weights.safetensors", "005/fold1/epoch003.safetensors", "005/fold1/weights.safetensors",
    ]  # fmt: skip
    assert diagonal.own_counts == (2, 1, 1)
    assert diagonal.counts((3,)) == (3, 3, 3)
    assert diagonal.counts((3,), nets=1) == (3, 0, 0)
    probs = np.array([[[share, 1 - share]] for share in (0.1, 0.6, 0.8)])
    assert diagonal.answer(probs)[0, 0] == pytest.approx((0.1 + 0.7) / 2)
    probs[0] = np.nan
    assert diagonal.answer(probs)[0, 0] == pytest.approx(0.7)


@pytest.mark.parametrize("stored", [3, "3", [[3]], [[3, 5, 5]], [["3", 5]], [None]])
def test_what_is_no_list_of_members_says_so(members: FoldNets, stored: object) -> None:
    save_json(members.search.ensemble, {**load_json(members.search.ensemble), "members": stored})
    with pytest.raises(InputError, match=r"ensemble.json: members must be a list of trials' numbers, or of 2 of them"):
        FoldNets.load(members.search)
