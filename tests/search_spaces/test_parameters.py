"""The columns of a table over a space's recipes, and which of them a recipe fills."""

from itertools import islice

import pytest

from search_spaces import Recipe, load_space, space_names
from search_spaces.loading import diary_names
from search_spaces.parameters import cell, has, parameter_values, parameters


@pytest.mark.parametrize("name", [*space_names(), *diary_names()])
def test_every_recipe_of_a_space_fits_into_its_columns(name: str) -> None:
    space = load_space(name)
    columns = {each.name: each for each in parameters(space)}
    seen = set()
    for recipe in islice(space.stream(0), 40):
        for field, value in parameter_values(space, recipe).items():
            column = columns[field]
            assert type(value) is column.kind
            low, high = column.bounds or (value, value)
            assert value in column.values if column.values else low <= value <= high
            seen.add(field)
    assert seen <= set(columns)
    if space.grid:
        assert seen == set(columns), "a grid's recipes have all that it names"


def test_a_field_of_another_loss_is_not_shown() -> None:
    space = load_space("diary/losses")
    columns = {each.name: each for each in parameters(space)}
    shown = [parameter_values(space, recipe) for recipe in space.combinations()]
    by_loss = {values["loss"]: set(values) for values in shown}
    assert "t1" in by_loss["bi_tempered"] and "t1" not in by_loss["focal_cosine"]
    assert columns["t1"].varies


def test_a_known_recipe_may_go_beyond_the_space() -> None:
    space = load_space("cassava")
    columns = {each.name: each for each in parameters(space)}
    assert "sam_rho" not in space.fields
    assert columns["sam_rho"].values == (0.0, 0.05), "the default, of all that say nothing, is among them"
    assert columns["sam_rho"].varies and not columns["pretrained"].varies


def test_a_pipeline_is_shown_by_its_beginning() -> None:
    pipelines = [cell(f'{{"transform": {"[" * 100}{number}') for number in range(2)]
    assert all(str(shown).startswith('{"transform": [') and len(str(shown)) < 60 for shown in pipelines)
    assert len(set(pipelines)) == 2
    assert cell(3) == 3.0 and cell(True) is True


def test_what_no_space_names_is_the_recipe_s_own_matter() -> None:
    space = load_space("digits")
    recipe = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=1e-3, epochs=2)
    assert not has(space, recipe, "answer_epochs") and has(space, recipe, "t1")
