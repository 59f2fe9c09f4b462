"""What becomes of an image before it is a net's input.

By albumentations (2.0.8, its last MIT release), which is named in this file only, and torchvision's RandAugment and
AutoAugment, which albumentations lacks. (timm's draw from Python's global randomness and work on PIL images.)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no look at the network on import

import albumentations as A
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from search_spaces.recipe import Recipe

cv2.setNumThreads(0)  # a trial's threads are torch's


@dataclass(frozen=True)
class View:
    """Makes (size, size, 3) uint8 of (H, W, 3) uint8."""

    moves: A.Compose
    policy: v2.Transform | None = None
    """Of torchvision, after the moves."""

    def __call__(self, image: NDArray[np.uint8], seed: int | None = None) -> NDArray[np.uint8]:
        """With a `seed` the view depends on it alone, whoever draws it and in whatever order."""
        if seed is not None:
            self.moves.set_random_seed(seed)
        view: NDArray[np.uint8] = self.moves(image=image)["image"]
        return view if self.policy is None else _by_policy(self.policy, view, seed)


def plain(recipe: Recipe) -> View:
    """The plain image: view 1 of every prediction."""
    return View(A.Compose(_fitted(recipe)))


def training(recipe: Recipe, epoch: int) -> View:
    """A training view in an epoch, from 1 on."""
    return _PIPELINES[recipe.augment](recipe) if recipe.augments(epoch) else plain(recipe)


def _by_policy(policy: v2.Transform, image: NDArray[np.uint8], seed: int | None) -> NDArray[np.uint8]:
    with torch.random.fork_rng(devices=[]):  # dropout draws from the same generator
        if seed is not None:
            torch.default_generator.manual_seed(seed)  # the CPU's alone; `torch.manual_seed` is the GPU's too
        pixels = policy(torch.from_numpy(image).permute(2, 0, 1))
    view: NDArray[np.uint8] = pixels.permute(1, 2, 0).contiguous().numpy()
    return view


def _fitted(recipe: Recipe) -> list[A.BasicTransform]:
    size = recipe.image_size
    if recipe.fit == "center_crop":
        return [A.SmallestMaxSize(size, interpolation=cv2.INTER_LINEAR), A.CenterCrop(size, size)]
    return [A.Resize(size, size, interpolation=cv2.INTER_LINEAR)]


def _cropped(recipe: Recipe, least: float) -> list[A.BasicTransform]:
    """A random crop of at least a share `least` of the image, mirrored and transposed at random."""
    size = recipe.image_size
    return [
        A.RandomResizedCrop((size, size), scale=(least, 1.0), interpolation=cv2.INTER_LINEAR),
        A.HorizontalFlip(p=0.5),
        A.VerticalFlip(p=0.5),
        A.Transpose(p=0.5),
    ]


def _shifts(recipe: Recipe) -> View:
    moves = A.Affine(translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), rotate=(-12, 12), shear=(-5, 5), p=0.9)
    return View(A.Compose([*_fitted(recipe), moves]))


def _flips(recipe: Recipe) -> View:
    colours = [
        A.HueSaturationValue(hue_shift_limit=8, sat_shift_limit=20, val_shift_limit=10, p=0.5),
        A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.5),
    ]
    return View(A.Compose([*_cropped(recipe, 0.5), *colours]))


def _diary(recipe: Recipe) -> View:
    """The public kernel's set that the cassava diary took over (AUG-01), albumentations' defaults where it had them.

    ShiftScaleRotate is Affine now. The hue, saturation and value limits are 0.2 of 255, as the kernel wrote them: next
    to nothing, and kept, since that is what its numbers were found with.
    """
    moves = A.Affine(
        translate_percent=(-0.0625, 0.0625),
        scale=(0.9, 1.1),
        rotate=(-45, 45),
        border_mode=cv2.BORDER_REFLECT_101,
        p=0.5,
    )
    colours = [
        A.HueSaturationValue(hue_shift_limit=0.2, sat_shift_limit=0.2, val_shift_limit=0.2, p=0.5),
        A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.5),
    ]
    return View(A.Compose([*_cropped(recipe, 0.08), moves, *colours]))


def _diary_reduced(recipe: Recipe) -> View:
    """Without turns and colours. (The diary tried "fewer", AUG-02, and does not say which.)"""
    return View(A.Compose(_cropped(recipe, 0.08)))


def _rand_augment(recipe: Recipe) -> View:
    """After crop and flips, as the diary's DeiT kernel had it."""
    return View(A.Compose(_cropped(recipe, 0.5)), v2.RandAugment(recipe.rand_augment_n, recipe.rand_augment_m))


def _auto_augment(recipe: Recipe) -> View:
    """The policy that was learned on ImageNet (arXiv 1805.09501), after crop and flips."""
    return View(A.Compose(_cropped(recipe, 0.5)), v2.AutoAugment())


_PIPELINES: dict[str, Callable[[Recipe], View]] = {
    "flips": _flips,
    "shifts": _shifts,
    "diary": _diary,
    "diary_reduced": _diary_reduced,
    "rand_augment": _rand_augment,
    "auto_augment": _auto_augment,
}
