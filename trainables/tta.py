"""Test-time views: one nested list for each family. A count is a prefix of it, so a larger count costs no training.

View 1 is the plain image. All views are made from the plain batch, so an image is decoded once whatever the count.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from search_spaces.kinds import MOST_VIEWS
from search_spaces.recipe import Recipe

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


def _cropped(number: int, flips: list[int]) -> View:
    """A crop of half the image to nine tenths, drawn once for each number, enlarged to the whole and then flipped."""
    rng = random.Random(number)
    height, width = (rng.uniform(0.5**0.5, 0.95) for _ in range(2))
    top, left = rng.uniform(0.0, 1.0 - height), rng.uniform(0.0, 1.0 - width)

    def view(batch: Tensor) -> Tensor:
        side = batch.shape[1]
        box = [int(share * side) for share in (top, left, height, width)]
        cropped: Tensor = V.resized_crop(batch.permute(0, 3, 1, 2), *box, size=[side, side])
        return torch.flip(cropped.permute(0, 2, 3, 1), flips)

    return view


def _diary(number: int) -> View:
    """As the cassava diary trained: a crop, flips, a quarter turn, a tilt, other colours, each drawn once."""
    rng = random.Random(f"diary {number}")
    crop = _cropped(number, [dim for dim in (1, 2) if rng.random() < 0.5])
    turn = rng.random() < 0.5
    tilt = _moved(rng.uniform(-45, 45), rng.uniform(-0.06, 0.06), rng.uniform(-0.06, 0.06), rng.uniform(0.9, 1.1))
    brighter, harder, redder = rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1), rng.uniform(0.8, 1.2)

    def view(batch: Tensor) -> Tensor:
        moved = tilt(crop(batch.transpose(1, 2) if turn else batch)).permute(0, 3, 1, 2)
        coloured = V.adjust_saturation(V.adjust_contrast(V.adjust_brightness(moved, brighter), harder), redder)
        shown: Tensor = coloured.permute(0, 2, 3, 1)
        return shown

    return view


def _tile(top: float, left: float) -> View:
    """A tile of seven tenths of the side, enlarged to the whole."""

    def view(batch: Tensor) -> Tensor:
        side = batch.shape[1]
        box = [int(top * 0.3 * side), int(left * 0.3 * side), int(0.7 * side), int(0.7 * side)]
        tile: Tensor = V.resized_crop(batch.permute(0, 3, 1, 2), *box, size=[side, side])
        return tile.permute(0, 2, 3, 1)

    return view


def _plain(batch: Tensor) -> Tensor:
    return batch


_FLIPS: list[list[int]] = [[], [2], [1], [1, 2]]

VIEWS: dict[str, tuple[View, ...]] = {
    # The eight symmetries of the square, flips before quarter turns.
    "flips": tuple(_flipped(dims, turn) for turn in (False, True) for dims in _FLIPS),
    "shifts": (
        _plain,
        _moved(0, 0.06, 0, 1.0),
        _moved(0, -0.06, 0, 1.0),
        _moved(0, 0, 0.06, 1.0),
        _moved(0, 0, -0.06, 1.0),
        _moved(6, 0, 0, 1.0),
        _moved(-6, 0, 0, 1.0),
        _moved(0, 0, 0, 1.06),
    ),
    # The middle, the corners, the upper and the lower edge.
    "tiles": (
        _plain,
        *(_tile(*at) for at in [(0.5, 0.5), (0, 0), (0, 1), (1, 0), (1, 1), (0, 0.5), (1, 0.5)]),
    ),
    "diary": (_plain, *(_diary(number) for number in range(2, MOST_VIEWS + 1))),
    "crops": (_plain, *(_cropped(number, []) for number in range(2, MOST_VIEWS + 1))),
    "crop_flips": (_plain, *(_cropped(number, _FLIPS[(number - 1) % 4]) for number in range(2, MOST_VIEWS + 1))),
}


def family(recipe: Recipe) -> str:
    """The views of a recipe: those that it names, or such as it was trained with."""
    if recipe.tta != "as_trained":
        return recipe.tta
    return "shifts" if recipe.augment == "shifts" else "flips"


def view(recipe: Recipe, number: int, batch: Tensor) -> Tensor:
    """View `number` (from 1) of a plain batch (n, S, S, 3) uint8; the same shape and type."""
    return VIEWS[family(recipe)][number - 1](batch)
