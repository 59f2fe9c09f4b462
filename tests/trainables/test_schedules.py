"""Rates as pure functions, and the optimizers that they drive."""

import math

import pytest
import torch

from search_spaces import InputError, Recipe
from search_spaces.kinds import OPTIMIZERS
from trainables.backbones import Build, build_net
from trainables.checks import check_drops
from trainables.optimizers import optimizer_of
from trainables.schedules import learning_rate, plateaus

GOOD = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8, "learning_rate": 1e-2, "epochs": 20}


def recipe(**fields: object) -> Recipe:
    return Recipe.from_dict({**GOOD, **fields})


def rates(asked: Recipe) -> list[float]:
    return [learning_rate(asked, done / 200) for done in range(1, 201)]  # ten steps an epoch


def test_the_cosine_warms_up_and_falls_to_zero() -> None:
    found = rates(recipe())
    assert max(found) == pytest.approx(1e-2)
    assert found.index(max(found)) == 19
    assert found[0] == pytest.approx(1e-2 / 20)
    assert found[-1] == pytest.approx(0.0, abs=1e-12)


def test_without_a_warm_up_the_cosine_begins_at_its_peak() -> None:
    assert learning_rate(recipe(warm_up=0.0), 1e-9) == pytest.approx(1e-2)


def test_cosine_restarts_are_torch_s() -> None:
    asked = recipe(schedule="cosine_restarts", restart_epochs=5, warm_up=0.0)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-2)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=5)
    for epoch in range(20):
        optimizer.step()
        theirs.step(epoch + 0.5)
        assert learning_rate(asked, (epoch + 0.5) / 20) == pytest.approx(theirs.get_last_lr()[0])


@pytest.mark.parametrize(
    ("values", "patience", "count"),
    [
        ([], 2, 0),
        ([3, 2, 1, 0.5], 0, 0),
        ([1, 2, 2, 2], 2, 1),
        ([1, 2, 2], 2, 0),
        ([1, 2, 2, 2, 2, 2, 2], 2, 2),
        ([1, 2, 2, 2, 0.5, 1, 1], 2, 1),
        ([1, math.inf], 0, 1),
    ],
)
def test_plateaus(values: list[float], patience: int, count: int) -> None:
    assert plateaus(values, patience) == count


def test_plateaus_are_torch_s() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(60, generator=generator).tolist()
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=3, threshold=0.0)
    asked = recipe(schedule="plateau", plateau_factor=0.5, plateau_patience=3, warm_up=0.0, learning_rate=1.0)
    for done in range(1, 61):
        theirs.step(values[done - 1])
        assert learning_rate(asked, 0.5, values[:done]) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains_all_parameters_and_decays_matrices_only(name: str) -> None:
    asked = recipe(optimizer=name)
    net = build_net(asked, Build(n_classes=3))
    optimizer = optimizer_of(asked, net)
    grouped = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in net.parameters()}
    for group in optimizer.param_groups:
        assert all((parameter.ndim > 1) == (group["weight_decay"] > 0) for parameter in group["params"])
        assert group["lr_scale"] == 1.0


def test_layer_decay_is_least_at_the_head_and_greatest_at_the_stem() -> None:
    asked = recipe(backbone="test_vit", layer_decay=0.7)
    net = build_net(asked, Build(n_classes=3))
    scale = {id(p): group["lr_scale"] for group in optimizer_of(asked, net).param_groups for p in group["params"]}
    stem, head = net.body.patch_embed.proj.weight, net.body.head.weight
    assert scale[id(head)] == 1.0
    assert scale[id(stem)] < 0.7
    assert len(set(scale.values())) > 3


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "deit_tiny_distilled_patch16_224"])
def test_the_head_alone_is_timm_s_classifier(backbone: str) -> None:
    net = build_net(recipe(backbone=backbone), Build(n_classes=3)).head_only(True).train()
    trained = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert trained
    assert all("head" in name or "fc" in name for name in trained)
    assert not net.body.training
    net.head_only(False).train()
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert net.body.training


def test_drops_reach_the_backbone_or_are_refused() -> None:
    net = build_net(recipe(backbone="test_vit", drop_rate=0.3), Build(n_classes=3))
    assert net.body.head_drop.p == 0.3
    check_drops([recipe(backbone="test_vit", drop_path_rate=0.2)])
    with pytest.raises(InputError, match=r"vgg11 has no drop_path_rate, got 0\.2"):
        check_drops([recipe(backbone="vgg11", drop_path_rate=0.2)])
