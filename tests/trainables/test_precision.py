"""Mixed precision, memory order and compilation change no more of a result than their tolerance says."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from search_spaces import Recipe
from trainables.backbones import Build, Net, build_net
from trainables.data.folds import make_folds
from trainables.data.kaggle import load_data
from trainables.layout import FoldFolder
from trainables.losses.of_recipe import loss_of
from trainables.optimizers import optimizer_of
from trainables.precision import autocast, dtype_of, scaler_of
from trainables.setting import Setting
from trainables.steps import Stepper
from trainables.train import train

RECIPE = Recipe(
    backbone="test_resnet", image_size=32, batch_size=8, learning_rate=1e-3, epochs=1, optimizer="sgd", augment="shifts"
)
CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % 3
LOGITS_MAY_DIFFER = {"float32": 0.0, "bfloat16": 0.05, "float16": 0.005}
"""Of their standard deviation."""


def net_of(recipe: Recipe) -> Net:
    torch.manual_seed(0)
    return build_net(recipe, Build(3))


@torch.no_grad()
def logits(recipe: Recipe) -> Tensor:
    with autocast(recipe, CPU):
        return net_of(recipe).eval()(IMAGES).float()


def test_a_cpu_computes_in_float32_unless_it_is_asked() -> None:
    assert dtype_of(RECIPE, CPU) is torch.float32
    assert dtype_of(replace(RECIPE, precision="float16"), CPU) is torch.float16
    assert not scaler_of(replace(RECIPE, precision="bfloat16"), CPU).is_enabled()
    assert scaler_of(replace(RECIPE, precision="float16"), CPU).is_enabled()


@pytest.mark.parametrize("precision", LOGITS_MAY_DIFFER)
def test_mixed_precision_is_near_float32(precision: str) -> None:
    plain = logits(RECIPE)
    apart = (logits(replace(RECIPE, precision=precision)) - plain).abs().max() / plain.std()
    assert float(apart) <= LOGITS_MAY_DIFFER[precision]
    assert precision == "float32" or float(apart) > 0, "it computed in float32 after all"


def test_the_memory_order_changes_the_last_bits_only() -> None:
    torch.testing.assert_close(logits(replace(RECIPE, channels_last=False)), logits(RECIPE), atol=1e-5, rtol=1e-5)
    weight = next(p for p in net_of(RECIPE).parameters() if p.ndim == 4 and p.shape[2] > 1)
    other = next(p for p in net_of(replace(RECIPE, channels_last=False)).parameters() if p.ndim == 4 and p.shape[2] > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not other.is_contiguous(memory_format=torch.channels_last)


def stepped(recipe: Recipe, spoil: float = 1.0) -> tuple[Stepper, list[float]]:
    """After four steps on one batch, the first with its loss multiplied."""
    net = net_of(recipe).train()
    stepper = Stepper(net, optimizer_of(recipe, net), loss_of(recipe), recipe, scaler_of(recipe, CPU), 8)
    by_row = type(stepper.loss).by_row
    stepper.loss = _Multiplied(stepper.loss, spoil)
    values = [float(stepper.step(IMAGES, LABELS))]
    stepper.loss = loss_of(recipe)
    assert type(stepper.loss).by_row is by_row
    return stepper, values + [float(stepper.step(IMAGES, LABELS)) for _ in range(3)]


class _Multiplied:
    def __init__(self, loss: object, factor: float) -> None:
        self.loss, self.factor = loss, factor

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = self.loss(logits, labels) * self.factor  # type: ignore[operator]
        return value


@pytest.mark.parametrize("sam_rho", [0.0, 0.05])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_steps_in_mixed_precision_are_near_those_in_float32(precision: str, sam_rho: float) -> None:
    recipe = replace(RECIPE, sam_rho=sam_rho, clip_norm=1.0)
    plain, mixed = stepped(recipe)[1], stepped(replace(recipe, precision=precision))[1]
    assert mixed == pytest.approx(plain, rel=0.02)
    assert plain[-1] < plain[0]


@pytest.mark.parametrize("sam_rho", [0.0, 0.05])
def test_a_step_whose_gradient_overflows_is_left_out_and_the_scale_halved(sam_rho: float) -> None:
    recipe = replace(RECIPE, precision="float16", sam_rho=sam_rho)
    stepper, values = stepped(recipe, spoil=1e6)
    assert stepper.scaler.get_scale() == 2.0**15
    assert values[1] == pytest.approx(values[0] / 1e6, rel=1e-3), "the first step moved nothing"
    assert all(tensor.isfinite().all() for tensor in stepper.net.state_dict().values())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++")
def test_compiled_it_is_the_same_training(stripes: Path, tmp_path: Path) -> None:
    data = load_data(stripes)
    folds = make_folds(data, 2, 0, "d")
    rows = [
        next(train(replace(RECIPE, compile=each), data, folds, 0, FoldFolder(tmp_path / str(each)), Setting()))
        for each in (False, True)
    ]
    for name in ("train_loss", "val_nll", "val_loss_raw"):
        assert rows[1][name] == pytest.approx(rows[0][name], rel=1e-4)
