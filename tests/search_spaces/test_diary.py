"""The diary's families: grids as grids, with what it found beside."""

from collections import Counter

import pytest

from search_spaces import InputError, load_space
from search_spaces.loading import diary_names

every_family = pytest.mark.parametrize("name", diary_names())


def test_the_families_are_found_by_their_files() -> None:
    assert {"diary/t1", "diary/t1_t2", "diary/smoothing", "diary/losses"} <= set(diary_names())
    with pytest.raises(InputError, match="Did you mean 'diary/t1_t2'"):
        load_space("diary/t1-t2")


@every_family
def test_a_family_is_a_grid_that_holds_what_the_diary_found(name: str) -> None:
    space = load_space(name)
    recipes = space.recipes(space.trials, seed=0)
    assert len(recipes) == space.trials == len({recipe.training_key() for recipe in recipes})
    assert recipes == space.recipes(space.trials, seed=7), "a grid has no seed"
    for fields, accuracy in space.expected:
        hits = [r for r in recipes if all(getattr(r, field) == value for field, value in fields.items())]
        assert len(hits) == 1, fields
        assert 0.6 < accuracy < 0.9
    assert space.expected_on in ("one fold", "the public leaderboard")


def test_a_grid_is_the_product_of_its_choices() -> None:
    recipes = load_space("diary/t1_t2").combinations()
    assert Counter((recipe.t1, recipe.t2) for recipe in recipes) == Counter(
        (t1, t2) for t1 in (0.7, 0.8, 0.9) for t2 in (1.2, 1.5)
    )


def test_the_rate_goes_with_the_batch() -> None:
    rates = {recipe.batch_size: recipe.learning_rate for recipe in load_space("diary/batch_size").combinations()}
    assert rates == {32: 1e-4, 64: 2e-4, 128: 4e-4}


def test_a_grid_has_no_more_recipes_than_it_has() -> None:
    with pytest.raises(InputError, match="has only 6 recipes, not 7"):
        load_space("diary/t1_t2").recipes(7, seed=0)


def test_backbones_are_the_diary_s_own_combinations() -> None:
    space = load_space("diary/backbones")
    recipes = space.recipes(space.trials, seed=0)
    assert [(r.backbone, r.image_size, r.batch_size) for r in recipes] == [tuple(e.values()) for e, _ in space.expected]
    assert {r.batch_size: r.learning_rate for r in recipes} == pytest.approx({32: 1e-4, 16: 5e-5, 8: 2.5e-5})


def test_a_grid_shrinks_to_what_is_left_of_it() -> None:
    space = load_space("diary/t1_t2").fixed(t1=0.8)
    assert [(recipe.t1, recipe.t2) for recipe in space.recipes(space.trials, seed=0)] == [(0.8, 1.2), (0.8, 1.5)]
