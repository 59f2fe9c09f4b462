import random
from dataclasses import replace

import albumentations as A
import cv2
import numpy as np
import pytest

from search_spaces import Recipe
from trainables import augment
from trainables.augment import OneWarp, View
from trainables.warp import Warp

RECIPE = Recipe(backbone="test_vit", image_size=96, batch_size=5, learning_rate=1e-3, epochs=6)
COARSE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
PHOTO = cv2.resize(COARSE, (320, 240), interpolation=cv2.INTER_CUBIC)
"""With no finer detail than a photo has: what interpolates twice is blurred where there is such."""
WARPED = ("flips", "shifts", "diary", "diary_reduced")


def one_by_one(view: View) -> View:
    """The same moves as albumentations makes them, each interpolating what the one before it made."""
    first, *rest = view.moves.transforms
    assert isinstance(first, OneWarp)
    return View(A.Compose([*first.moves, *rest]))


def both(family: str, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    view = augment.training(replace(RECIPE, augment=family), 1)
    steps = one_by_one(view)
    ours, theirs = ([each(PHOTO, seed) for seed in range(seeds)] for each in (view, steps))
    return np.array(ours, np.float64), np.array(theirs, np.float64)


@pytest.mark.parametrize("family", WARPED)
def test_one_warp_is_what_the_moves_are_one_by_one(family: str) -> None:
    ours, theirs = both(family, 40)
    by_image = np.abs(ours - theirs).mean((1, 2, 3))
    assert by_image.max() < 2  # of 255


@pytest.mark.parametrize("family", ["flips", "diary_reduced"])
def test_crops_and_flips_are_the_same_bits(family: str) -> None:
    ours, theirs = both(family, 40)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("family", WARPED)
def test_views_are_distributed_alike(family: str) -> None:
    ours, theirs = both(family, 100)
    for statistic in (np.mean, np.std):
        np.testing.assert_allclose(
            statistic(ours, (0, 1, 2)), statistic(theirs, (0, 1, 2)), atol=1
        )  # of 255; two interpolations blur a little


def test_another_seed_is_another_view() -> None:
    ours, _ = both("diary", 2)
    assert np.abs(ours[0] - ours[1]).mean() > 10


def test_steps_may_come_in_any_order() -> None:
    whole = Warp((0, 0, 320, 240), (64, 48))
    small = cv2.resize(PHOTO, (64, 48), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(whole.mirror(0)(PHOTO), small[:, ::-1])
    np.testing.assert_array_equal(whole.transpose().mirror(0)(PHOTO), small.transpose(1, 0, 2)[:, ::-1])
    np.testing.assert_array_equal(whole.mirror(0).transpose()(PHOTO), small[:, ::-1].transpose(1, 0, 2))
    np.testing.assert_array_equal(whole.mirror(1).mirror(1).transpose().transpose()(PHOTO), small)


@pytest.mark.parametrize(
    "steps", [Warp.transpose, lambda warp: warp.mirror(0), lambda warp: warp.transpose().mirror(1)]
)
def test_a_move_that_moves_nothing_changes_next_to_nothing(steps: object) -> None:
    turned = steps(Warp((10, 20, 210, 180), (64, 48)))  # type: ignore[operator]
    moved = turned.move(np.eye(3), cv2.BORDER_REFLECT_101)
    assert np.abs(moved(PHOTO).astype(int) - turned(PHOTO)).max() <= 3  # warps look up to a 32nd of a pixel


def test_beyond_the_box_is_the_border() -> None:
    far = np.array([[1.0, 0, 64], [0, 1, 0], [0, 0, 1]])
    assert not Warp((0, 0, 100, 100), (64, 64)).move(far, cv2.BORDER_CONSTANT)(PHOTO).any()


@pytest.mark.parametrize("family", ["flips", "diary_reduced"])
def test_moves_are_drawn_apart(family: str) -> None:
    """All eight symmetries of the square come, each about as often, and whatever the crop is."""
    first = augment.training(replace(RECIPE, augment=family), 1).moves.transforms[0]
    drawn = []
    for seed in range(800):
        first.set_random_state(np.random.default_rng(seed), random.Random(seed))
        warp = first.get_params_dependent_on_data({"shape": PHOTO.shape}, {})["warp"]
        drawn.append((*warp.mirrored, warp.transposed, warp.box[2] - warp.box[0]))
    kinds = [each[:3] for each in drawn]
    counts = [kinds.count(kind) for kind in dict.fromkeys(kinds)]
    assert len(counts) == 8
    assert min(counts) > 70  # 100 expected, standard deviation 9.4
    flipped, width = np.array([each[0] for each in drawn], float), np.array([each[3] for each in drawn], float)
    assert abs(np.corrcoef(flipped, width)[0, 1]) < 0.12  # 3.4 standard errors


def test_a_view_gives_its_moves_one_source_of_chance() -> None:
    view = augment.training(replace(RECIPE, augment="diary"), 1)
    view(PHOTO, 3)
    first, *colours = view.moves.transforms
    assert {id(each.py_random) for each in (*first.moves, *colours)} == {id(view.moves.py_random)}
