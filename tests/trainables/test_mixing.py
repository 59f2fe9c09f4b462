"""Mixed batches: shares that say what the pixels hold."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from search_spaces import InputError, Recipe
from search_spaces.kinds import LOSSES, MIXES
from trainables.losses.of_recipe import loss_of
from trainables.mixing import _MIXERS, fourier_mask, mix

RECIPE = Recipe(backbone="test_vit", image_size=32, batch_size=6, learning_rate=1e-3, epochs=1)
MIXED = [name for name in MIXES if name != "none"]


def batch() -> tuple[Tensor, Tensor]:
    """Image i is of one grey value, 40 i, and of class i % 3."""
    values = 40 * torch.arange(6, dtype=torch.uint8)
    return values.view(6, 1, 1, 1).expand(6, 32, 32, 3), torch.arange(6) % 3


def test_every_name_has_a_mixer() -> None:
    assert set(_MIXERS) == set(MIXED)


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("seed", range(5))
def test_shares_say_what_the_pixels_hold(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = batch()
    mixed, shares = mix(replace(RECIPE, mix=name, mix_alpha=0.8), images, labels, 3)
    assert mixed.shape == images.shape
    torch.testing.assert_close(shares.sum(-1), torch.ones(6))
    before = images.float().mean((1, 2, 3))
    kept = shares[torch.arange(6), labels]  # neighbours are of other classes here
    torch.testing.assert_close(
        mixed.float().mean((1, 2, 3)), kept * before + (1 - kept) * before.roll(1), atol=0.1, rtol=0
    )


@pytest.mark.parametrize("name", ["cutmix", "fmix"])
def test_a_pasted_pixel_is_of_one_image_or_the_other(name: str) -> None:
    torch.manual_seed(1)
    images, labels = batch()
    mixed, _ = mix(replace(RECIPE, mix=name), images, labels, 3)
    for number in range(6):
        assert set(mixed[number].unique().tolist()) <= {40.0 * number, 40.0 * ((number - 1) % 6)}


def test_a_probability_leaves_batches_as_they_are() -> None:
    torch.manual_seed(0)
    images, labels = batch()
    dims = [mix(replace(RECIPE, mix="mixup", mix_prob=0.3), images, labels, 3)[1].dim() for _ in range(400)]
    assert dims.count(2) == pytest.approx(120, abs=30)
    assert mix(RECIPE, images, labels, 3) == (images, labels)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_a_fourier_mask_has_its_share_in_smooth_patches(share: float) -> None:
    torch.manual_seed(0)
    mask = fourier_mask(64, share)
    assert float(mask.mean()) == pytest.approx(share, abs=1e-3)
    changes = mask.diff(dim=0).abs().mean()
    assert changes <= 0.5 * 2 * share * (1 - share), "white noise would change at 2 p (1 - p) of its borders"


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("name", MIXED)
def test_every_loss_takes_mixed_targets(loss: str, name: str) -> None:
    torch.manual_seed(0)
    recipe = replace(RECIPE, mix=name, loss=loss, smoothing=0.1)
    _, shares = mix(recipe, *batch(), 3)
    criterion = loss_of(recipe)
    logits = torch.randn(6, 3 + criterion.extra_outputs, requires_grad=True)
    value = criterion(logits, shares)
    value.backward()  # type: ignore[no-untyped-call]
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


def test_fields_of_mixing_without_mixing_are_refused() -> None:
    with pytest.raises(InputError, match="mix_alpha belongs to another mix"):
        replace(RECIPE, mix_alpha=0.4)
