from dataclasses import replace

import numpy as np
import pytest
import torch

from search_spaces import Recipe
from search_spaces.kinds import AUGMENTS, MOST_VIEWS, TTAS
from trainables import tta
from trainables.predict import nested_means

RECIPE = Recipe(backbone="test_vit", image_size=32, batch_size=2, learning_rate=1e-3, epochs=1)
BATCH = torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", tta.VIEWS)
def test_view_one_is_the_plain_image_and_all_views_differ(family: str) -> None:
    views = [tta.view(replace(RECIPE, tta=family), number, BATCH) for number in range(1, MOST_VIEWS + 1)]
    assert torch.equal(views[0], BATCH)
    assert {view.shape for view in views} == {BATCH.shape}
    assert {view.dtype for view in views} == {torch.uint8}
    for first in range(MOST_VIEWS):
        for second in range(first):
            assert not torch.equal(views[first], views[second])


def test_every_family_has_as_many_views() -> None:
    assert {len(views) for views in tta.VIEWS.values()} == {MOST_VIEWS}


def test_a_count_is_a_prefix() -> None:
    probs = np.random.default_rng(0).random((5, 3, 4)).astype(np.float32)
    means = nested_means(probs)
    for count in range(1, 6):
        np.testing.assert_allclose(means[count - 1], probs[:count].mean(0), rtol=1e-6)
        np.testing.assert_array_equal(nested_means(probs[:count])[-1], means[count - 1])


@pytest.mark.parametrize("augment", AUGMENTS)
def test_what_was_trained_mirrored_is_looked_at_mirrored(augment: str) -> None:
    family = "shifts" if augment == "shifts" else "flips"
    own = {"augment_pipeline": "{}"} if augment == "custom" else {}
    recipe = replace(RECIPE, augment=augment, **own)
    assert torch.equal(tta.view(recipe, 2, BATCH), tta.VIEWS[family][1](BATCH))
    assert tta.family(replace(recipe, tta="crops")) == "crops"


def test_every_named_family_has_views() -> None:
    assert set(TTAS) == {"as_trained", *tta.VIEWS}


def test_a_crop_is_a_part_enlarged_and_a_flip_of_it() -> None:
    ramp = torch.arange(0, 256, 4, dtype=torch.uint8).view(1, 1, 64, 1).expand(1, 64, 64, 3)
    for number in range(2, MOST_VIEWS + 1):
        crop = tta.VIEWS["crops"][number - 1](ramp)[0, 0, :, 0].float()
        assert 0.7 * 252 - 8 <= crop[-1] - crop[0] <= 252, "at least 0.71 of the side is seen"
        assert (crop.diff() >= 0).all()
    flipped = tta.VIEWS["crop_flips"][1](ramp)[0, 0, :, 0].float()
    assert (flipped.diff() <= 0).all()


def test_tiles_are_places_of_the_image_enlarged() -> None:
    places = torch.zeros((1, 60, 60, 3), dtype=torch.uint8)
    places[0, :30, :30] = 100
    corner = tta.VIEWS["tiles"][2](places)[0, :, :, 0]
    assert (corner[:38, :38] == 100).all(), "the upper left tile: its 30 of 42 px are now 43 of 60"
    assert (corner[48:, 48:] == 0).all()
    lower = tta.VIEWS["tiles"][5](places)[0, :, :, 0]
    assert lower[40:, :].max() == 0


def test_a_pass_is_drawn_from_its_own_number() -> None:
    """Two passes never show the same; one pass shows the same whenever it is asked, whatever was drawn in between."""
    photo = torch.randint(0, 255, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    for family in ("crops", "crop_flips", "diary"):
        recipe = replace(RECIPE, tta=family, image_size=64)
        first = [tta.view(recipe, number, photo) for number in range(2, MOST_VIEWS + 1)]
        again = [tta.view(recipe, number, photo) for number in reversed(range(2, MOST_VIEWS + 1))][::-1]
        assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
        assert len({view.numpy().tobytes() for view in first}) == MOST_VIEWS - 1
