"""Which mean of test-time views the out-of-fold evidence prefers, from a folder made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.ensemble.views import answers, decide_mean
from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.files import load_json, save_array, save_json
from trainables.layout import SearchFolder
from trainables.member import Member
from trainables.view_means import mean_of_search, nested_means

LABELS = np.arange(120) % 3
THREE = Member.of(3, 2)
FOLDS = Folds(2, 0, "d", np.arange(120) // 3 % 2, np.ones(120, np.bool_))
RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=0.01, epochs=1, tta_count=2)


def search_of(folder: Path, views: np.ndarray, recipe: Recipe = RECIPE, number: int = 3) -> SearchFolder:
    """One trial with these (2, N, K)."""
    search = SearchFolder(folder)
    save_json(search.trial(number).recipe, recipe.to_dict())
    for fold in range(2):
        rows, path = FOLDS.split(fold)[1], search.trial(number).fold(fold)
        save_array(path.view_probs, views[:, rows].astype(np.float32))
        save_array(path.pred_probs, views[:, rows].mean(0).astype(np.float32))
        pd.DataFrame({"epoch": [1], "fold_hash": [FOLDS.hash]}).to_csv(path.metrics, index=False)
    return search


def sure_of_what_it_is_not(seed: int = 0) -> np.ndarray:
    """Each view rules out one wrong class and knows no more: together they know, if what is ruled out stays so."""
    rng = np.random.default_rng(seed)
    views = np.full((2, 120, 3), 0.495)
    for row, label in enumerate(LABELS):
        first, second = rng.permutation([k for k in range(3) if k != label])
        views[0, row, first] = views[1, row, second] = 0.01
    return views


def test_logarithms_are_taken_where_they_are_ahead(tmp_path: Path) -> None:
    search = search_of(tmp_path, sure_of_what_it_is_not())
    assert decide_mean(search, FOLDS, [THREE], LABELS, "val_nll") == "logarithms"
    views = sure_of_what_it_is_not().astype(np.float32)
    np.testing.assert_allclose(answers(search, THREE, FOLDS), nested_means(views, "logarithms")[-1], rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_else_probabilities(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    views = rng.dirichlet(np.ones(3), size=(2, 120))
    recipe = Recipe(**{**RECIPE.to_dict(), "tta_count": count})
    search = search_of(tmp_path, views, recipe)
    assert decide_mean(search, FOLDS, [THREE], LABELS, "val_nll") == "probabilities"
    np.testing.assert_allclose(answers(search, THREE, FOLDS), views.mean(0), rtol=1e-5)


def test_it_is_decided_once(tmp_path: Path) -> None:
    search = search_of(tmp_path, sure_of_what_it_is_not())
    assert mean_of_search(search) == "probabilities"
    decide_mean(search, FOLDS, [THREE], LABELS, "val_nll")
    assert load_json(search.view_mean)["logarithms_ahead"] > 0
    search_of(tmp_path, np.full((2, 120, 3), 1 / 3))
    assert decide_mean(search, FOLDS, [THREE], LABELS, "val_nll") == "logarithms"


def test_each_fold_of_a_diagonal_has_the_views_of_its_own_recipe(tmp_path: Path) -> None:
    """Trial 3 looks at two views and answers in fold 0, trial 4 at the plain image alone and answers in fold 1."""
    views = sure_of_what_it_is_not().astype(np.float32)
    search_of(tmp_path, views)
    search = search_of(tmp_path, views, replace(RECIPE, tta_count=1), number=4)
    diagonal = Member((3, 4))
    assert decide_mean(search, FOLDS, [diagonal], LABELS, "val_nll") == "logarithms"
    two, plain = nested_means(views, "logarithms")[1], views[0]
    expected = np.where((FOLDS.fold_of == 0)[:, None], two, plain)
    np.testing.assert_allclose(answers(search, diagonal, FOLDS), expected, rtol=1e-6)
