"""Test-time views: one nested list for each family. A count is a prefix of it, so a larger count costs no training.

View 1 is the plain image. All views are made from the plain batch, so an image is decoded once whatever the count.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

View = Callable[[Tensor], Tensor]


def _moved(angle: float, right: float, down: float, scale: float) -> View:
    """A view turned by `angle` degrees, moved by shares of the side and scaled; what comes in is black."""

    def view(batch: Tensor) -> Tensor:
        side = batch.shape[1]
        moved: Tensor = V.affine(
            batch.permute(0, 3, 1, 2),
            angle=angle,
            translate=[round(right * side), round(down * side)],
            scale=scale,
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        return moved.permute(0, 2, 3, 1)

    return view


def _flipped(dims: list[int], transpose: bool) -> View:
    def view(batch: Tensor) -> Tensor:
        turned = batch.transpose(1, 2) if transpose else batch
        return torch.flip(turned, dims)

    return view


VIEWS: dict[str, tuple[View, ...]] = {
    # The eight symmetries of the square, flips before quarter turns.
    "flips": tuple(_flipped(dims, turn) for turn in (False, True) for dims in ([], [2], [1], [1, 2])),
    "shifts": (
        lambda batch: batch,
        _moved(0, 0.06, 0, 1.0),
        _moved(0, -0.06, 0, 1.0),
        _moved(0, 0, 0.06, 1.0),
        _moved(0, 0, -0.06, 1.0),
        _moved(6, 0, 0, 1.0),
        _moved(-6, 0, 0, 1.0),
        _moved(0, 0, 0, 1.06),
    ),
}


def view(augment: str, number: int, batch: Tensor) -> Tensor:
    """View `number` (from 1) of a plain batch (n, S, S, 3) uint8; the same shape and type.

    What was trained mirrored is looked at mirrored.
    """
    return VIEWS["shifts" if augment == "shifts" else "flips"][number - 1](batch)
