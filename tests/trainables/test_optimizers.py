"""Fused Adam: the same weights as without, resumed as well, and with a head first."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces import Recipe
from trainables import optimizers
from trainables.backbones import Build, Net, build_net
from trainables.checkpoint import load_checkpoint, save_checkpoint
from trainables.layout import FoldFolder
from trainables.optimizers import load_optimizer, optimizer_of

RECIPE = Recipe(
    backbone="test_resnet", image_size=32, batch_size=4, learning_rate=1e-2, epochs=1, optimizer="adamw",
    precision="float32",
)  # fmt: skip


def net_of(recipe: Recipe) -> Net:
    torch.manual_seed(0)
    return build_net(recipe, Build(2)).train()


def steps(net: Net, optimizer: torch.optim.Optimizer, numbers: Iterator[int] | range) -> None:
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), torch.arange(4) % 2).backward()
        optimizer.step()


def give_gradients(net: Net, number: int) -> None:
    """The same to each net: of weights a bit apart they are a bit apart, and Adam takes its steps by their signs."""
    generator = torch.Generator().manual_seed(number)
    for weight in net.parameters():
        given = torch.randn(weight.shape, generator=generator)
        weight.grad = torch.empty_like(weight).copy_(given) if weight.requires_grad else None


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    return lambda on: monkeypatch.setattr(optimizers, "_fuses", lambda recipe, net: on)


def weights(net: nn.Module) -> list[Tensor]:
    return [parameter.detach() for parameter in net.parameters()]


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_fused_it_is_the_same_optimizer(kind: str, fused: Callable[[bool], None]) -> None:
    recipe = replace(RECIPE, optimizer=kind)
    nets, optimizers_of_both = [net_of(recipe), net_of(recipe)], []
    for on, net in zip((False, True), nets, strict=True):
        fused(on)
        optimizers_of_both.append(optimizer_of(recipe, net))
        assert all(bool(group["fused"]) is on for group in optimizers_of_both[-1].param_groups)
    for number in range(4):
        for net, optimizer in zip(nets, optimizers_of_both, strict=True):
            give_gradients(net.head_only(number < 2), number)
            optimizer.step()
    moved = max(float((a - b).abs().max()) for a, b in zip(weights(nets[0]), weights(net_of(RECIPE)), strict=True))
    assert moved > 1e-2
    torch.testing.assert_close(weights(nets[1]), weights(nets[0]), atol=1e-5, rtol=0.0)


def resumed(load: Callable[[torch.optim.Optimizer, dict[str, Any]], object], folder: FoldFolder) -> list[Tensor]:
    """Two steps, a checkpoint, and two more of a training that begins with it."""
    net = net_of(RECIPE)
    optimizer = optimizer_of(RECIPE, net)
    steps(net, optimizer, range(2))
    save_checkpoint(folder, {"net": net.state_dict(), "optimizer": optimizer.state_dict()})
    stored = load_checkpoint(folder)
    assert stored
    again = net_of(RECIPE)
    again.load_state_dict(stored["net"])
    optimizer = optimizer_of(RECIPE, again)
    load(optimizer, stored["optimizer"])
    steps(again, optimizer, range(2, 4))
    return weights(again)


@pytest.mark.parametrize("on", [False, True])
def test_resumed_it_goes_on_to_the_bit(on: bool, fused: Callable[[bool], None], tmp_path: Any) -> None:
    fused(on)
    whole = net_of(RECIPE)
    steps(whole, optimizer_of(RECIPE, whole), range(4))
    after = resumed(load_optimizer, FoldFolder(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(after, weights(whole), strict=True))
    if on:  # what `load_optimizer` is for
        by_torch = resumed(lambda optimizer, state: optimizer.load_state_dict(state), FoldFolder(tmp_path))
        assert not all(torch.equal(a, b) for a, b in zip(by_torch, after, strict=True))


@pytest.mark.parametrize("before", [False, True])
def test_whether_it_is_fused_is_for_the_machine_that_resumes(before: bool, fused: Callable[[bool], None]) -> None:
    fused(before)
    net = net_of(RECIPE)
    optimizer = optimizer_of(RECIPE, net)
    steps(net, optimizer, range(1))
    fused(not before)
    other = optimizer_of(RECIPE, net)
    load_optimizer(other, optimizer.state_dict())
    assert all(bool(group["fused"]) is not before for group in other.param_groups)
    steps(net, other, range(1, 2))


@pytest.mark.parametrize(
    ("fields", "fuses"), [({}, True), ({"optimizer": "sgd"}, False), ({"precision": "float16"}, False)]
)
def test_what_is_fused(fields: dict[str, object], fuses: bool) -> None:
    optimizer = optimizer_of(replace(RECIPE, **fields), net_of(RECIPE))  # type: ignore[arg-type]
    assert all(bool(group["fused"]) is fuses for group in optimizer.param_groups)
