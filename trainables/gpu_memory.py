"""How much memory a training takes, found without a GPU: a step is played through with tensors that have no values.

torch's fake tensors run the net's own forward and backward pass, autocast and attention kernels included, in a second
or a few and for any batch; what is alive at once is counted. What CUDA itself takes is not in it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from search_spaces.recipe import Recipe
from trainables.backbones import Build, Net, build_net

_MOMENTS = {"sgd": 1}
"""Tensors of a parameter's size that an optimizer keeps; the others keep two."""

_WAITING_BATCHES = 2
"""One is copied to the device while another is trained on."""


def training_bytes(recipe: Recipe, n_classes: int) -> int:
    """The most that tensors of a training take at once on a GPU, its whole batch passing through the net together.

    Weights, gradients, activations, the optimizer's moments, waiting batches, and copies of the net: SAM's,
    the moving average, the soup of the last epochs.
    How near it comes to what torch's allocator counts is in docs/resources.md. On a GPU what the allocator holds back,
    the workspaces of cuDNN and a process's CUDA context come on top.
    """
    weights, all_state, step = _step_bytes(
        recipe.backbone,
        recipe.image_size,
        recipe.batch_size,
        recipe.precision != "float32",  # what `auto` means on a GPU
        recipe.channels_last,
        recipe.freeze_bn,
        recipe.drop_rate > 0,  # by how much takes no memory
        recipe.drop_path_rate > 0,
        n_classes,
    )
    copies = _MOMENTS.get(recipe.optimizer, 2) + (recipe.sam_rho > 0)
    batch = recipe.batch_size * recipe.image_size**2 * 3
    nets = 1 + (recipe.ema_decay > 0)  # the soup of the last epochs, and the moving average
    return step + copies * weights + nets * all_state + _WAITING_BATCHES * batch


@cache
def _step_bytes(
    backbone: str,
    image_size: int,
    batch_size: int,
    half: bool,
    channels_last: bool,
    freeze_bn: bool,
    drops: bool,
    drops_paths: bool,
    n_classes: int,
) -> tuple[int, int, int]:
    """Of the parameters, of parameters and buffers, and of all that is alive at the worst moment of a step."""
    recipe = Recipe(
        backbone=backbone,
        image_size=image_size,
        batch_size=batch_size,
        channels_last=channels_last,
        freeze_bn=freeze_bn,
        pretrained=freeze_bn,  # which a recipe demands, and which loads nothing here
        drop_rate=0.1 * drops,
        drop_path_rate=0.1 * drops_paths,
        learning_rate=1.0,
        epochs=1,
    )
    with torch.device("meta"):
        net = build_net(recipe, Build(n_classes))
    weights, buffers = (sum(t.nbytes for t in tensors) for tensors in (net.parameters(), net.buffers()))
    peak = peak_bytes(lambda: _step(net, batch_size, image_size, half))
    return weights, weights + buffers, peak


def _step(net: Net, batch_size: int, image_size: int, half: bool) -> None:
    _give_memory(net)
    images = torch.empty(batch_size, image_size, image_size, 3, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits: Tensor = net.train()(images)
    logits.float().sum().backward()  # type: ignore[no-untyped-call]


def _give_memory(net: nn.Module) -> None:
    """Tensors of the mode that is on, in the place of those that were built as shapes only."""
    for module in net.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                there = torch.empty_like(weight, device="cpu")
                module._parameters[name] = nn.Parameter(there, weight.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty_like(buffer, device="cpu")


def peak_bytes(compute: Callable[[], object]) -> int:
    """The most that the tensors which `compute` makes take at once. They are fake, it cannot read their values."""
    alive = _Alive()
    with FakeTensorMode(allow_non_fake_inputs=True), alive:
        compute()
    return alive.peak


class _Alive(TorchDispatchMode):
    """Follows every storage from the operation that makes it to its end."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak: int = 0
        self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._see, made)
        return made

    def _see(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._end, key)
        return tensor

    def _end(self, key: int) -> None:
        self._now -= self._sizes.pop(key)
