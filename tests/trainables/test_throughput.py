"""Measured as a trial trains, on a few of the images."""

import time
from pathlib import Path

import numpy as np
import pytest

from search_spaces.recipe import Recipe
from trainables.data.kaggle import check_data
from trainables.data.pixels import read_image
from trainables.setting import Setting
from trainables.throughput import _timed, cost_key, measured

FIELDS = {"batch_size": 4, "learning_rate": 0.01, "epochs": 2, "pretrained": False}


@pytest.mark.slow
def test_each_kind_of_recipe_is_measured_once(stripes: Path) -> None:
    data, _ = check_data(stripes)
    recipes = [Recipe(backbone="test_resnet", image_size=size, **FIELDS) for size in (32, 32, 64)]
    recipes.append(Recipe(backbone="test_resnet", image_size=32, head_epochs=1, sam_rho=0.05, **FIELDS))
    said: list[tuple[int, int]] = []
    found = measured(recipes, data, Setting(), lambda done, total: said.append((done, total)))
    assert set(found) == {cost_key(recipe) for recipe in recipes}
    assert said == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert all(each.train_image_s > 0 and each.view_s > 0 for each in found.values())


READ_S = 0.05


def read_slowly(path: Path) -> np.ndarray:
    time.sleep(READ_S)
    return read_image(path)


@pytest.mark.slow
def test_reading_counts_as_training_where_another_process_reads(stripes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.train.reader", lambda root, cache_gb: read_slowly)
    data, _ = check_data(stripes)
    recipe = Recipe(backbone="test_resnet", image_size=32, **FIELDS)
    found, _ = _timed(recipe, data, Setting(loader_workers=1), 1)
    assert found.train_image_s >= READ_S


def test_what_costs_nothing_makes_no_kind_of_its_own() -> None:
    one, other = (Recipe(backbone="test_resnet", image_size=32, t1=t1, **FIELDS) for t1 in (0.5, 1.0))
    assert cost_key(one) == cost_key(other)
