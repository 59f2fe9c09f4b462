"""The contract that every space keeps: a new file in search_spaces/ inherits these tests by its name alone."""

import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from search_spaces import InputError, Recipe, Space, load_space, space_names
from search_spaces.backbones import fits
from search_spaces.ranges import Chance, Choice, LinearScaling, Only, Range, Uniform

every_space = pytest.mark.parametrize("name", space_names())
VARIED = ("t1", "t2", "smoothing", "image_size", "batch_size", "tta_count", "backbone", "learning_rate")


@every_space
def test_varies_what_the_diary_varied(name: str) -> None:
    assert all(isinstance(load_space(name).fields[field], Range) for field in VARIED)


@every_space
def test_samples_are_valid_and_on_the_patch_grid(name: str) -> None:
    space, rng = load_space(name), random.Random(0)
    for _ in range(200):
        recipe = space.sample(Chance(rng))
        assert fits(recipe.backbone, recipe.image_size)
        assert recipe.tta_count <= space.largest_tta_count()


@every_space
def test_known_good_come_first_and_no_training_twice(name: str) -> None:
    space = load_space(name)
    recipes = space.recipes(30, seed=3)
    assert recipes[: len(space.known_good)] == space.seeds()
    assert space.known_good
    assert len({recipe.training_key() for recipe in recipes}) == 30


@every_space
def test_a_longer_search_begins_as_a_shorter_one(name: str) -> None:
    space = load_space(name)
    assert space.recipes(20, seed=1)[:5] == space.recipes(5, seed=1)
    assert space.recipes(20, seed=1) != space.recipes(20, seed=2)


@every_space
def test_promotes_fewer_than_it_tries(name: str) -> None:
    space = load_space(name)
    assert 1 <= space.promote < space.trials


def test_a_space_of_vits_and_convolutions_uses_all_sizes() -> None:
    rng, space = random.Random(0), load_space("digits")
    sizes: dict[bool, set[int]] = {True: set(), False: set()}
    for _ in range(300):
        recipe = space.sample(Chance(rng))
        sizes[recipe.backbone == "test_vit"].add(recipe.image_size)
    assert sizes[True] == {32, 48}
    assert sizes[False] == {32, 40, 48}


def test_the_learning_rate_follows_the_batch() -> None:
    rate = LinearScaling(base=1e-3, per=32, low=0.5, high=2.0)
    rng = random.Random(0)
    for batch_size in (8, 32, 128):
        drawn = [rate.sample(Chance(rng), "learning_rate", {"batch_size": batch_size}) for _ in range(200)]
        assert min(drawn) >= 0.499e-3 * batch_size / 32
        assert max(drawn) <= 2.001e-3 * batch_size / 32


def test_a_field_is_fixed_by_one_word() -> None:
    space = load_space("digits").fixed(t1=0.5, epochs=4, seed=9)
    assert {(r.t1, r.epochs, r.seed) for r in space.recipes(12, seed=0)} == {(0.5, 4, 9)}


def test_recipes_that_differ_only_in_tta_count_are_tried_once() -> None:
    constants = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8, "learning_rate": 1e-3}
    space = Space(name="x", fields={**constants, "tta_count": Choice(1, 2, 3)}, trials=1, epochs=1, promote=1)
    assert len(space.recipes(1, seed=0)) == 1
    with pytest.raises(InputError, match="only 1 different trainings"):
        space.recipes(2, seed=0)


def test_nonsense_is_refused_at_birth() -> None:
    space = load_space("digits")
    with pytest.raises(InputError, match="tta_cuont"):
        replace(space, fields={**space.fields, "tta_cuont": 1})
    with pytest.raises(InputError, match="learning_rate"):
        replace(space, fields={k: v for k, v in space.fields.items() if k != "learning_rate"})
    with pytest.raises(InputError, match="patch grid"):
        space.fixed(backbone="test_vit", image_size=40)
    with pytest.raises(InputError, match="t1"):
        replace(space, known_good=({**space.known_good[0], "t1": 3.0},))
    with pytest.raises(InputError, match="low < high"):
        Uniform(1.0, 1.0)
    with pytest.raises(InputError, match="no value twice"):
        Choice(1, 1)
    with pytest.raises(InputError):
        LinearScaling(base=-1.0, per=32)


def test_keeping_backbones_drops_the_recipes_that_name_others() -> None:
    space = load_space("leaves").keeping_backbones(lambda name: name == "resnet18")
    assert space.values("backbone") == ("resnet18",)
    assert not space.known_good
    with pytest.raises(InputError, match="left"):
        space.keeping_backbones(lambda name: False)


def test_names_are_met_with_the_nearest_one(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="Did you mean 'cassava'"):
        load_space("casava")
    own = tmp_path / "own.py"
    own.write_text("from search_spaces.digits import SPACE\n")
    assert load_space(str(own)).name == "digits"
    own.write_text("SPACE = 3\n")
    with pytest.raises(InputError, match="must define SPACE"):
        load_space(str(own))


def test_nothing_is_left_beside_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    own = tmp_path / "own.py"
    own.write_text("from search_spaces.digits import SPACE\n")
    load_space(str(own))
    assert list(tmp_path.iterdir()) == [own]


def test_seeds_are_whole_recipes() -> None:
    assert all(isinstance(recipe, Recipe) for recipe in load_space("cassava").seeds())


def test_a_range_only_for_some_recipes_leaves_the_others_their_default() -> None:
    fields = {
        **load_space("digits").fields,
        "loss": Choice("bi_tempered", "focal", "taylor_cross_entropy"),
        "t1": Only(Uniform(0.2, 0.9), loss="bi_tempered"),
        "t2": Only(1.4, loss="bi_tempered"),
        "focal_gamma": Only(Choice(1.0, 3.0), loss="focal"),
    }
    space = Space(name="losses", fields=fields, trials=8, epochs=2, promote=1)
    recipes = space.recipes(60, seed=0)
    for recipe in recipes:
        tempered, focal = recipe.loss == "bi_tempered", recipe.loss == "focal"
        assert (recipe.t1 < 1.0) == tempered
        assert recipe.t2 == (1.4 if tempered else 1.0)
        assert recipe.focal_gamma in ((1.0, 3.0) if focal else (2.0,))
    assert len({recipe.loss for recipe in recipes}) == 3


def test_a_range_for_some_recipes_says_for_which() -> None:
    with pytest.raises(InputError, match="loss='focal'"):
        Only(Uniform(0.0, 1.0))
