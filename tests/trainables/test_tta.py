import numpy as np
import pytest
import torch

from search_spaces.kinds import AUGMENTS, MOST_VIEWS
from trainables import tta
from trainables.predict import nested_means

BATCH = torch.randint(0, 255, (2, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("family", tta.VIEWS)
def test_view_one_is_the_plain_image_and_all_views_differ(family: str) -> None:
    views = [tta.view(family, number, BATCH) for number in range(1, MOST_VIEWS + 1)]
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
    assert torch.equal(tta.view(augment, 2, BATCH), tta.VIEWS[family][1](BATCH))
