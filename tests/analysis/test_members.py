"""Members whose folds have one net each beside those that answer by the mean of several epochs' nets."""

from pathlib import Path

import numpy as np
import pytest

from analysis.members import Members
from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.layout import SearchFolder, save_json

USUAL = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8, "learning_rate": 0.01, "epochs": 4}


@pytest.fixture
def members(tmp_path: Path) -> Members:
    """Trial 3 answers by one net a fold, trial 5 by two; two folds."""
    search = SearchFolder(tmp_path)
    save_json(search.trial(3).recipe, Recipe(**USUAL, tta_count=2).to_dict())
    save_json(search.trial(5).recipe, Recipe(**USUAL, answer="mean", answer_epochs=2).to_dict())
    save_json(search.ensemble, {"members": [3, 5], "weights": [0.25, 0.75]})
    Folds(2, 0, "d", np.arange(4) % 2, np.ones(4, np.bool_)).save(search.folds)
    return Members.load(search)


def test_every_net_that_answers_is_named(members: Members) -> None:
    names = [path.relative_to(members.search.trials).as_posix() for path in members.nets]
    assert names == [
        "003/fold0/weights.safetensors", "003/fold1/weights.safetensors",
        "005/fold0/epoch003.safetensors", "005/fold0/weights.safetensors",
        "005/fold1/epoch003.safetensors", "005/fold1/weights.safetensors",
    ]  # fmt: skip
    assert members.own_views == (2, 1)


def test_folds_are_given_up_with_all_their_nets(members: Members) -> None:
    assert members.counts((2, 3)) == (2, 2, 3, 3, 3, 3)
    assert members.counts((2, 3), nets=1) == (2, 0, 3, 3, 0, 0)
    assert members.by_member([0.1, 0.3, 1.0, 2.0, 3.0, 4.0]) == pytest.approx((0.2, 5.0))


def test_each_member_answers_by_the_mean_of_the_nets_that_looked(members: Members) -> None:
    of_nets = [0.1, 0.3, 0.2, 0.4, 0.6, 0.8]
    probs = np.array([[[share, 1 - share]] for share in of_nets])
    assert members.answer(probs)[0, 0] == pytest.approx(0.25 * 0.2 + 0.75 * 0.5)
    probs[[1, 4, 5]] = np.nan
    assert members.answer(probs)[0, 0] == pytest.approx(0.25 * 0.1 + 0.75 * 0.3)
    probs[:2] = np.nan
    assert members.answer(probs)[0, 0] == pytest.approx(0.3)
