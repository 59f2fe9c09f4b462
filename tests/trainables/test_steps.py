"""Steps in micro-batches and under SAM are the steps of the whole batch."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Recipe
from trainables.losses.of_recipe import loss_of
from trainables.memory import micro_batch, remember
from trainables.optimizers import climb, frozen_statistics, go_back, optimizer_of
from trainables.precision import scaler_of
from trainables.steps import Stepper, in_parts

GOOD = {"backbone": "test_vit", "image_size": 32, "batch_size": 12, "learning_rate": 1e-2, "epochs": 1}
CPU = torch.device("cpu")
MakeNet = Callable[[], nn.Module]


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        yield torch.randn(12, 6, generator=generator), torch.randint(0, 3, (12,), generator=generator)


def weights_after(net: nn.Module, rows: int, fits: int = 10**9, **fields: object) -> list[Tensor]:
    """All weights after four steps in micro-batches of so many rows, on a machine where only `fits` rows fit."""
    recipe = Recipe.from_dict({**GOOD, **fields})

    def refuse(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > fits:
            raise torch.OutOfMemoryError(f"{len(inputs[0])} rows")

    net.register_forward_pre_hook(refuse)
    stepper = Stepper(net, optimizer_of(recipe, net), loss_of(recipe), recipe, scaler_of(recipe, CPU), rows)
    for images, labels in batches():
        stepper.step(images, labels)
    assert stepper.micro_batch <= fits
    return [parameter.detach() for parameter in net.parameters()]


@pytest.mark.parametrize("rows", [1, 4, 5])
@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "sam_rho": 0.05},
        {"optimizer": "adam", "sam_rho": 0.5},
        {"optimizer": "adabelief", "sam_rho": 0.1, "clip_norm": 0.1},
        {"optimizer": "adamw", "loss": "bi_tempered", "t1": 0.8, "t2": 1.4, "smoothing": 0.1},
        {"optimizer": "sgd", "ousm_drop": 3, "sam_rho": 0.1},
        {"optimizer": "sgd", "ohem_keep": 0.3},
    ],
)
def test_accumulated_is_unaccumulated(plain: MakeNet, rows: int, fields: dict[str, object]) -> None:
    torch.testing.assert_close(
        weights_after(plain(), rows, **fields), weights_after(plain(), 12, **fields), atol=1e-5, rtol=1e-4
    )


def test_the_perturbation_of_each_micro_batch_by_itself_would_be_seen(plain: MakeNet) -> None:
    """What accumulated SAM must not be: the test above can fail."""
    alone = [weights_after(plain(), 12, optimizer="sgd", sam_rho=rho) for rho in (0.0, 0.05)]
    assert any((a - b).abs().max() > 1e-4 for a, b in zip(*alone, strict=True))


@pytest.mark.parametrize("sam_rho", [0.0, 0.1])
@pytest.mark.parametrize("fits", [1, 5, 11])
def test_a_step_that_does_not_fit_is_taken_in_halves(plain: MakeNet, fits: int, sam_rho: float) -> None:
    fields = {"optimizer": "sgd", "sam_rho": sam_rho}
    torch.testing.assert_close(
        weights_after(plain(), 12, fits, **fields), weights_after(plain(), 12, **fields), atol=1e-5, rtol=1e-4
    )


def test_one_row_that_does_not_fit_is_an_error(plain: MakeNet) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        weights_after(plain(), 12, fits=0)


def test_memory_that_ends_in_sam_s_second_pass_leaves_the_weights_where_they_were(plain: MakeNet) -> None:
    recipe, net = Recipe.from_dict({**GOOD, "optimizer": "sgd", "sam_rho": 0.5}), plain()
    calls = []

    def refuse_the_second(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls.append(len(inputs[0]))
        if calls == [12, 12]:
            raise torch.OutOfMemoryError

    net.register_forward_pre_hook(refuse_the_second)
    stepper = Stepper(net, optimizer_of(recipe, net), loss_of(recipe), recipe, scaler_of(recipe, CPU), 12)
    images, labels = next(batches())
    stepper.step(images, labels)
    assert calls == [12, 12, 6, 6, 6, 6]
    other = plain()
    halved = Stepper(other, optimizer_of(recipe, other), loss_of(recipe), recipe, scaler_of(recipe, CPU), 6)
    halved.step(images, labels)
    torch.testing.assert_close(list(net.parameters()), list(other.parameters()))


def test_sam_climbs_by_rho_and_comes_back_to_the_bit(plain: MakeNet) -> None:
    net = plain()
    net(torch.ones(2, 6)).square().sum().backward()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    moved = climb(net.parameters(), 0.3)
    away = torch.cat([(p - b).flatten() for p, b in zip(net.parameters(), before, strict=True)])
    assert float(away.detach().norm()) == pytest.approx(0.3, rel=1e-5)
    go_back(moved)
    assert all(torch.equal(p, b) for p, b in zip(net.parameters(), before, strict=True))


def test_sam_s_second_pass_is_not_remembered_by_batch_norm() -> None:
    norm = nn.BatchNorm1d(3)
    with frozen_statistics(norm):
        norm(torch.randn(8, 3) + 5)
    assert torch.equal(norm.running_mean, torch.zeros(3))
    norm(torch.randn(8, 3) + 5)
    assert not torch.equal(norm.running_mean, torch.zeros(3))


def test_a_prediction_that_does_not_fit_is_made_in_halves() -> None:
    seen = []

    def double(images: Tensor) -> Tensor:
        seen.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError
        return 2 * images

    images = torch.arange(10.0)
    torch.testing.assert_close(in_parts(double, images), 2 * images)
    assert max(size for size in seen if size <= 3) <= 3
    with pytest.raises(torch.OutOfMemoryError):
        in_parts(lambda _images: (_ for _ in ()).throw(torch.OutOfMemoryError()), images)


def test_what_fits_is_remembered_for_the_backbone_the_size_and_the_device(tmp_path: Path) -> None:
    path, recipe = tmp_path / "micro_batches.json", Recipe.from_dict(GOOD)
    assert micro_batch(None, recipe, CPU, 0.0) == micro_batch(path, recipe, CPU, 0.0) == 12
    remember(path, recipe, CPU, 0.0, 6)
    assert micro_batch(path, recipe, CPU, 0.0) == 6
    assert micro_batch(path, Recipe.from_dict({**GOOD, "batch_size": 4}), CPU, 0.0) == 4
    assert micro_batch(path, Recipe.from_dict({**GOOD, "image_size": 48}), CPU, 0.0) == 12
    remember(path, Recipe.from_dict({**GOOD, "image_size": 48}), CPU, 0.0, 3)
    assert micro_batch(path, recipe, CPU, 0.0) == 6
