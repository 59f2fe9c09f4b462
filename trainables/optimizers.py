"""Which optimizer a recipe means: torch's, and timm's where torch has none; SAM goes around any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import timm.optim
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from search_spaces.recipe import Recipe
from trainables.backbones import Net
from trainables.precision import dtype_of

_MOMENTUM = 0.9


def optimizer_of(recipe: Recipe, net: Net) -> torch.optim.Optimizer:
    """The optimizer of all trainable parameters, each group with its `lr_scale`.

    Biases and norms go without weight decay; with `layer_decay` below 1 the rate shrinks from the head to the stem,
    by timm's own order of layers.
    """
    groups, rate, fused = _groups(recipe, net), recipe.learning_rate, _fuses(recipe, net) or None
    kinds: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(groups, lr=rate, momentum=_MOMENTUM, nesterov=True),
        "adam": lambda: torch.optim.Adam(groups, lr=rate, fused=fused),
        "adamw": lambda: torch.optim.AdamW(groups, lr=rate, fused=fused),
        "adabelief": lambda: timm.optim.AdaBelief(groups, lr=rate),
    }
    return kinds[recipe.optimizer]()


def _fuses(recipe: Recipe, net: Net) -> bool:
    """Whether Adam is one kernel for many weights: but where float16's scaler may want a step left out.

    On a CPU the step of a small net is 8 % shorter by it, that of a larger one hardly (docs/steps.md). SGD is never:
    torch's fused one cannot begin with some weights later than with others, as after `head_epochs`.
    """
    return dtype_of(recipe, next(net.parameters()).device) is not torch.float16


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Its state from a checkpoint, which has tensors row by row, in the order in which the weights lie in memory.

    A fused optimizer pairs a weight and its state by their places in memory. Whether it is fused is this machine's
    matter, not the checkpoint's.
    """
    built = [group.get("fused") for group in optimizer.param_groups]
    groups = [
        {**group, "fused": fused} if "fused" in group else group
        for group, fused in zip(state["param_groups"], built, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})
    for weight, kept in optimizer.state.items():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                kept[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _groups(recipe: Recipe, net: Net) -> list[dict[str, Any]]:
    if recipe.layer_decay < 1.0:
        groups = timm.optim.param_groups_layer_decay(
            net.body, recipe.weight_decay, layer_decay=recipe.layer_decay, verbose=False
        )
    else:
        groups = timm.optim.param_groups_weight_decay(net.body, recipe.weight_decay)
    return [
        {"params": group["params"], "weight_decay": group["weight_decay"], "lr_scale": group.get("lr_scale", 1.0)}
        for group in groups
    ]


@torch.no_grad()
def climb(parameters: Iterable[Tensor], rho: float) -> list[tuple[Tensor, Tensor]]:
    """Move to where SAM takes its gradient (arXiv 2010.01412): rho along the gradient, over all parameters at once.

    Returns each weight with its value before, for `go_back`; moves none where the gradient is not finite.
    """
    moved = [parameter for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm([p.grad for p in moved if p.grad is not None])
    before = [(parameter, parameter.clone()) for parameter in moved]
    for parameter in moved:
        assert parameter.grad is not None
        # Chosen on the device: to ask here whether the norm is finite would wait for all that a GPU has still to do.
        parameter.add_(torch.where(norm.isfinite(), parameter.grad * (rho / (norm + 1e-12)), 0.0))
    return before


@torch.no_grad()
def go_back(before: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Undo `climb`, bit for bit."""
    for parameter, value in before:
        parameter.copy_(value)


@contextmanager
def frozen_statistics(net: nn.Module) -> Iterator[None]:
    """BatchNorm normalises by the batch but does not remember it: SAM's second pass sees the same images again."""
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
