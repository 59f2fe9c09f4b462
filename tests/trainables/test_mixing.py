"""Mixed batches: shares that say what the pixels hold."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from search_spaces import InputError, Recipe
from search_spaces.kinds import LOSSES, MIXES
from trainables.backbones import Build, Net, build_net, has_class_maps
from trainables.checks import check_class_maps
from trainables.losses.of_recipe import loss_of
from trainables.mixing import _MIXERS, Mixed, _snapmix, attention, fourier_mask, mix

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=6, learning_rate=1e-3, epochs=1)
MIXED = [name for name in MIXES if name != "none"]


def batch() -> tuple[Tensor, Tensor]:
    """Image i is of one grey value, 40 i, and of class i % 3."""
    values = 40 * torch.arange(6, dtype=torch.uint8)
    return values.view(6, 1, 1, 1).expand(6, 32, 32, 3), torch.arange(6) % 3


@lru_cache
def net() -> Net:
    torch.manual_seed(0)
    return build_net(RECIPE, Build(3))


def test_every_name_has_a_mixer() -> None:
    assert {*_MIXERS, "snapmix"} == set(MIXED)


@pytest.mark.parametrize("name", [name for name in MIXED if name != "snapmix"])
@pytest.mark.parametrize("seed", range(5))
def test_shares_say_what_the_pixels_hold(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = batch()
    mixed, shares = mix(replace(RECIPE, mix=name, mix_alpha=0.8), images, labels, 3, net())
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
    mixed, _ = mix(replace(RECIPE, mix=name), images, labels, 3, net())
    for number in range(6):
        assert set(mixed[number].unique().tolist()) <= {40.0 * number, 40.0 * ((number - 1) % 6)}


def test_a_probability_leaves_batches_as_they_are() -> None:
    torch.manual_seed(0)
    images, labels = batch()
    dims = [mix(replace(RECIPE, mix="mixup", mix_prob=0.3), images, labels, 3, net())[1].dim() for _ in range(400)]
    assert dims.count(2) == pytest.approx(120, abs=30)
    assert mix(RECIPE, images, labels, 3, net()) == (images, labels)


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
    _, shares = mix(recipe, *batch(), 3, net())
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


@pytest.mark.parametrize("name", MIXED)
def test_soft_labels_are_mixed_as_their_labels_are(name: str) -> None:
    images, labels = batch()
    both = []
    for targets in (labels, F.one_hot(labels, 3).float()):
        torch.manual_seed(3)
        both.append(mix(replace(RECIPE, mix=name), images, targets, 3, net()))
    torch.testing.assert_close(both[0], both[1])


class Copies(TorchDispatchMode):
    """Notes of each copy to another device whether the host does not wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.unwaited: list[bool] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        words = kwargs or {}
        if func.overloadpacket.__name__ == "_to_copy" and words.get("device", args[0].device) != args[0].device:
            self.unwaited.append(words.get("non_blocking", False))
        return func(*args, **words)


@pytest.mark.parametrize("mixer", [*_MIXERS.values(), lambda *given: _snapmix(*given[:2], given[0][:, 0], given[2])])
def test_no_mix_waits_for_its_device(mixer: Callable[[Tensor, Tensor, float], Mixed]) -> None:
    torch.manual_seed(0)
    pixels, shares = torch.empty(6, 3, 32, 32, device="meta"), torch.empty(6, 3, device="meta")
    with Copies() as seen:
        mixed, _ = mixer(pixels, shares, 1.0)  # of a tensor without numbers none can be asked for
    assert mixed.shape == pixels.shape and mixed.is_meta
    assert all(seen.unwaited)


def test_the_guard_sees_a_copy_that_is_waited_for() -> None:
    with Copies() as seen:
        torch.ones(2).to("meta")
        torch.ones(2).to("meta", non_blocking=True)
    assert seen.unwaited == [False, True]


def spots(corners: list[tuple[int, int]]) -> Tensor:
    """Attention on one pixel of each 32 px image."""
    attended = torch.zeros(len(corners), 32, 32)
    for row, (down, right) in enumerate(corners):
        attended[row, down, right] = 1.0
    return attended


@pytest.mark.parametrize("seed", range(6))
def test_snapmix_gives_and_takes_what_is_looked_at(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule of the paper, on boxes that are known: covered is lost, pasted is gained."""
    boxes = iter([(slice(0, 16), slice(0, 16)), (slice(8, 32), slice(8, 32))])  # covered, pasted
    monkeypatch.setattr("trainables.mixing._box", lambda size, alpha: next(boxes))
    pixels, shares = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed)), torch.eye(3)[:2]
    mixed, got = _snapmix(pixels, shares, spots([(4, 4), (20, 20)]), 1.0)
    torch.testing.assert_close(got, torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
    assert torch.equal(mixed[:, :, 16:], pixels[:, :, 16:])
    patch = F.interpolate(pixels.roll(1, 0)[:, :, 8:, 8:], (16, 16), mode="bilinear")
    torch.testing.assert_close(mixed[:, :, :16, :16], patch)


def test_snapmix_s_shares_are_a_neighbour_s_on_average() -> None:
    torch.manual_seed(0)
    images, labels = batch()
    sums = torch.cat([mix(replace(RECIPE, mix="snapmix"), images, labels, 3, net())[1].sum(1) for _ in range(300)])
    assert float(sums.mean()) == pytest.approx(1.0, abs=0.03)
    assert float(sums.std()) > 0.05, "rows weigh more or less than 1"
    assert float(sums.min()) >= 0


def test_attention_is_where_the_label_speaks_and_nothing_is_left_changed() -> None:
    looking = net().train()
    before = {name: tensor.clone() for name, tensor in looking.state_dict().items()}
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    attended = attention(RECIPE, looking, images, F.one_hot(torch.arange(4) % 3, 3).float())
    assert attended.shape == (4, 32, 32)
    assert (attended >= 0).all()
    torch.testing.assert_close(attended.sum((1, 2)), torch.ones(4))
    assert looking.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in looking.state_dict().items())
    with torch.no_grad():
        maps = looking.eval().class_maps(images)
        torch.testing.assert_close(maps.mean((2, 3)) + looking.body.fc.bias, looking(images), atol=1e-4, rtol=1e-4)


def test_a_row_whose_shares_do_not_sum_to_1_weighs_as_much() -> None:
    """For cross-entropy: the paper's loss, the sum over both labels of share times loss."""
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    shares = torch.tensor([[0.7, 0.6, 0.0], [0.1, 0.0, 0.1], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    got = loss_of(replace(RECIPE, loss="cross_entropy"))(logits, shares)
    torch.testing.assert_close(got, -(shares * logits.log_softmax(-1)).sum(-1).mean())


def test_snapmix_without_class_maps_is_refused() -> None:
    able = [replace(RECIPE, backbone=name, mix="snapmix") for name in ("test_resnet", "test_nfnet", "mobilenetv2_100")]
    unable = ["test_vit", "deit_tiny_distilled_patch16_224", "mobilenetv3_large_100", "vgg11"]
    assert all(has_class_maps(recipe) for recipe in able)
    check_class_maps(able)
    with pytest.raises(InputError) as caught:
        check_class_maps([*able, *(replace(RECIPE, backbone=name, mix="snapmix") for name in unable)])
    assert list(caught.value.problems) == unable
