"""What becomes of an image before it is a net's input.

By albumentations (2.0.8, its last MIT release), which is named in this file only, and torchvision's RandAugment and
AutoAugment, which albumentations lacks. (timm's draw from Python's global randomness and work on PIL images.)
"""

from __future__ import annotations

import difflib
import json
import os
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no look at the network on import

import albumentations as A
import cv2
import numpy as np
import torch
from albumentations.core.serialization import SERIALIZABLE_REGISTRY, shorten_class_name
from numpy.typing import NDArray
from torchvision.transforms import v2

from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.warp import Warp

cv2.setNumThreads(0)  # a trial's threads are torch's


@dataclass(frozen=True)
class View:
    """Makes (size, size, 3) uint8 of (H, W, 3) uint8."""

    moves: A.Compose
    policy: v2.Transform | None = None
    """Of torchvision, after the moves."""
    writes: bool = False
    """Whether the moves may write on the image that they are given."""

    def __call__(self, image: NDArray[np.uint8], seed: int | None = None) -> NDArray[np.uint8]:
        """With a `seed` the view depends on it alone, whoever draws it and in whatever order."""
        if seed is not None:  # one source for all: `set_random_seed` gives each the same numbers, so all flips at once
            self.moves.set_random_state(np.random.default_rng(seed), random.Random(seed))
        view: NDArray[np.uint8] = self.moves(image=image.copy() if self.writes else image)["image"]
        if self.policy is not None:
            return _by_policy(self.policy, view, seed)
        return view if view.flags.writeable else view.copy()  # the image itself, which all may be reading


class OneWarp(A.ImageOnlyTransform):  # type: ignore[misc]
    """Several moves of albumentations as one interpolation. Each draws its own numbers, as it would alone."""

    def __init__(self, moves: Sequence[A.BasicTransform]) -> None:
        super().__init__(p=1.0)
        self.moves = moves

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        super().set_random_state(random_generator, py_random)
        for move in self.moves:
            move.set_random_state(random_generator, py_random)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        height, width = params["shape"][:2]
        warp = Warp((0, 0, width, height), (width, height))
        for move in self.moves:
            if move.should_apply():
                warp = _STEPS[type(move)](move, warp)
        return {"warp": warp}

    def apply(self, img: NDArray[np.uint8], warp: Warp, **params: Any) -> NDArray[np.uint8]:
        return warp(img)


def _cropped_out(move: A.RandomResizedCrop, warp: Warp) -> Warp:
    """The first of the moves, so that what it sees is the image."""
    width, height = warp.size
    box = move.get_params_dependent_on_data({"shape": (height, width, 3)}, {})["crop_coords"]
    return Warp(box, move.size[::-1])


def _moved(move: A.Affine, warp: Warp) -> Warp:
    width, height = warp.size
    drawn = move.get_params_dependent_on_data({"shape": (height, width, 3)}, {})
    return warp.move(drawn["matrix"], move.border_mode)


_STEPS: dict[type, Callable[[Any, Warp], Warp]] = {
    A.RandomResizedCrop: _cropped_out,
    A.Resize: lambda move, warp: replace(warp, size=(move.width, move.height)),
    A.HorizontalFlip: lambda move, warp: warp.mirror(0),
    A.VerticalFlip: lambda move, warp: warp.mirror(1),
    A.Transpose: lambda move, warp: warp.transpose(),
    A.Affine: _moved,
}


def plain(recipe: Recipe) -> View:
    """The plain image: view 1 of every prediction."""
    return View(A.Compose(_fitted(recipe, recipe.plain_size)))


def training(recipe: Recipe, epoch: int) -> View:
    """A training view in an epoch, from 1 on."""
    if recipe.augments(epoch):
        return _PIPELINES[recipe.augment](recipe)
    return View(A.Compose(_fitted(recipe, recipe.image_size)))


def _by_policy(policy: v2.Transform, image: NDArray[np.uint8], seed: int | None) -> NDArray[np.uint8]:
    with torch.random.fork_rng(devices=[]):  # dropout draws from the same generator
        if seed is not None:
            torch.default_generator.manual_seed(seed)  # the CPU's alone; `torch.manual_seed` is the GPU's too
        pixels = policy(torch.from_numpy(image).permute(2, 0, 1))
    view: NDArray[np.uint8] = pixels.permute(1, 2, 0).contiguous().numpy()
    return view


def _fitted(recipe: Recipe, size: int) -> list[A.BasicTransform]:
    if recipe.fit == "center_crop":
        return [A.SmallestMaxSize(size, interpolation=cv2.INTER_LINEAR), A.CenterCrop(size, size)]
    return [A.Resize(size, size, interpolation=cv2.INTER_LINEAR)]


def _cropped(recipe: Recipe, least: float, *further: A.BasicTransform) -> OneWarp:
    """A random crop of at least a share `least` of the image, mirrored and transposed at random; `further` moves."""
    size = recipe.image_size
    crop = A.RandomResizedCrop((size, size), scale=(least, 1.0), interpolation=cv2.INTER_LINEAR)
    return OneWarp([crop, A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), A.Transpose(p=0.5), *further])


def _shifts(recipe: Recipe) -> View:
    moves = A.Affine(translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), rotate=(-12, 12), shear=(-5, 5), p=0.9)
    fitted = _fitted(recipe, recipe.image_size)
    if recipe.fit == "center_crop":
        return View(A.Compose([*fitted, moves]))
    return View(A.Compose([OneWarp([*fitted, moves])]))


def _flips(recipe: Recipe) -> View:
    colours = [
        A.HueSaturationValue(hue_shift_limit=8, sat_shift_limit=20, val_shift_limit=10, p=0.5),
        A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.5),
    ]
    return View(A.Compose([_cropped(recipe, 0.5), *colours]))


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
    return View(A.Compose([_cropped(recipe, 0.08, moves), *colours]))


def _diary_reduced(recipe: Recipe) -> View:
    """Without turns and colours. (The diary tried "fewer", AUG-02, and does not say which.)"""
    return View(A.Compose([_cropped(recipe, 0.08)]))


def _rand_augment(recipe: Recipe) -> View:
    """After crop and flips, as the diary's DeiT kernel had it."""
    return View(A.Compose([_cropped(recipe, 0.5)]), v2.RandAugment(recipe.rand_augment_n, recipe.rand_augment_m))


def _auto_augment(recipe: Recipe) -> View:
    """The policy that was learned on ImageNet (arXiv 1805.09501), after crop and flips."""
    return View(A.Compose([_cropped(recipe, 0.5)]), v2.AutoAugment())


def _custom(recipe: Recipe) -> View:
    """The user's own, and then the square: an image that is one already is left as it is."""
    own = A.from_dict(json.loads(recipe.augment_pipeline))
    return View(A.Compose([own, *_fitted(recipe, recipe.image_size)]), writes=True)


_PIPELINES: dict[str, Callable[[Recipe], View]] = {
    "flips": _flips,
    "shifts": _shifts,
    "diary": _diary,
    "diary_reduced": _diary_reduced,
    "rand_augment": _rand_augment,
    "auto_augment": _auto_augment,
    "custom": _custom,
}


def check_augments(recipes: Iterable[Recipe]) -> None:
    """Refuse pipelines of a user's own that cannot be built, or that do not give an image, all at once."""
    texts = {recipe.augment_pipeline: recipe for recipe in recipes if recipe.augment == "custom"}
    problems = [problem for recipe in texts.values() for problem in _custom_problems(recipe)]
    if problems:
        raise InputError("An albumentations pipeline must make an image of an image:", problems)


def _custom_problems(recipe: Recipe) -> list[str]:
    names = list(_transform_names(json.loads(recipe.augment_pipeline)))
    known = {name: cls for name, cls in SERIALIZABLE_REGISTRY.items() if not name.startswith("_")}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        return [
            f"{name!r} is no transform of albumentations (nearest: {', '.join(difflib.get_close_matches(name, known))})"
            for name in unknown
        ] or ["it names no transform (`__class_fullname__`)"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # albumentations only warns of arguments that it does not know
            view = _custom(recipe)(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8), 0)
    except Exception as error:  # whatever a transform raises, the pipeline cannot be used
        return [f"{type(error).__name__}: {' '.join(str(error).split())}"]
    size = recipe.image_size
    if not isinstance(view, np.ndarray) or view.dtype != np.uint8 or view.shape != (size, size, 3):
        return ["it must give (H, W, 3) uint8; leave Normalize and ToTensorV2 out, the net normalises by itself"]
    return []


def _transform_names(content: Any) -> Iterator[str]:
    """The short class names in a serialized pipeline, wherever in it."""
    if isinstance(content, dict):
        if "__class_fullname__" in content:
            yield shorten_class_name(str(content["__class_fullname__"]))
        content = list(content.values())
    if isinstance(content, list):
        for each in content:
            yield from _transform_names(each)
