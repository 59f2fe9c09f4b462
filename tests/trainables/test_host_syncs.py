"""A step asks a GPU for nothing: no number comes back to the host, whatever the recipe.

Seen on a CPU, where every such question goes through the same operators as on a GPU.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from search_spaces import Recipe
from search_spaces.kinds import LOSSES
from trainables import optimizers
from trainables.losses import bi_tempered
from trainables.losses.of_recipe import loss_of
from trainables.optimizers import optimizer_of
from trainables.precision import scaler_of
from trainables.steps import Stepper

GOOD = {"backbone": "test_vit", "image_size": 32, "batch_size": 12, "learning_rate": 1e-2, "epochs": 1, "ousm_drop": 1}
ASKING = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "repeat_interleave"}
"""Operators whose answer, or the shape of it, the host has to wait for."""

COPYING = {"lift_fresh"}
"""Which make a tensor of the host's numbers: a copy to a GPU from memory that is not pinned, which waits as well."""


class Questions(TorchDispatchMode):
    """Notes the operators that ask."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name.startswith("index") and any(t is not None and t.dtype == torch.bool for t in _indices(args))
        if name in ASKING | COPYING or masks:
            self.asked.append(name)
        return func(*args, **(kwargs or {}))


def _indices(args: Any) -> list[Any]:
    return list(args[1]) if len(args) > 1 and isinstance(args[1], list | tuple) else []


def asked_in_a_step(net: nn.Module, outputs: int = 3, **fields: object) -> list[str]:
    recipe = Recipe.from_dict({**GOOD, **fields})
    stepper = Stepper(
        net, optimizer_of(recipe, net), loss_of(recipe), recipe, scaler_of(recipe, torch.device("cpu")), 12
    )
    images, labels = torch.randn(12, 6), torch.arange(12) % (outputs - loss_of(recipe).extra_outputs)
    stepper.step(images, labels)  # the first one makes the optimizer's state
    with Questions() as seen:
        stepper.step(images, labels)
    return seen.asked


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a CPU is asked, and a GPU is not."""
    monkeypatch.setattr(bi_tempered, "_looks", lambda logits: False)
    monkeypatch.setattr(optimizers, "_fuses", lambda recipe, net: True)


@pytest.mark.parametrize("loss", list(LOSSES))
def test_no_loss_asks(plain: Callable[[], nn.Module], loss: str) -> None:
    assert not asked_in_a_step(plain(), loss=loss)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "sgd", "sam_rho": 0.05},
        {"optimizer": "adam", "clip_norm": 0.1},
        {"loss": "bi_tempered", "t1": 0.8, "t2": 1.4, "smoothing": 0.1, "sam_rho": 0.1, "clip_norm": 1.0},
        {"ohem_keep": 0.3, "loss": "bi_tempered", "t2": 1.4, "ousm_drop": 0},
    ],
)
def test_nor_does_anything_around_it(plain: Callable[[], nn.Module], fields: dict[str, object]) -> None:
    assert not asked_in_a_step(plain(), **fields)


@pytest.mark.parametrize(
    "question",
    [
        lambda x: float(x.sum()),
        lambda x: x[x > 0],
        lambda x: bool(x.sum().isfinite()),
        torch.nonzero,
        lambda x: x.new_tensor(0.5),
    ],
)
def test_the_guard_fails_where_it_should(question: Callable[[Tensor], object]) -> None:
    with Questions() as seen:
        question(torch.ones(3))
    assert seen.asked
