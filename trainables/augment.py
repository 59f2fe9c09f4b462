"""Training augmentations, by albumentations (2.0.8, its last MIT release), which is named in this file only."""

from __future__ import annotations

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no look at the network on import

import albumentations as A
import cv2
import numpy as np
from numpy.typing import NDArray

cv2.setNumThreads(0)  # a trial's threads are torch's


def plain(image_size: int) -> A.Compose:
    """The plain image: view 1 of every prediction. (H, W, 3) uint8 to (size, size, 3) uint8."""
    return A.Compose([A.Resize(image_size, image_size, interpolation=cv2.INTER_LINEAR)])


def augmented(family: str, image_size: int) -> A.Compose:
    """A training view of the family `shifts` or `flips`. (H, W, 3) uint8 to (size, size, 3) uint8."""
    families = {
        "shifts": [
            A.Resize(image_size, image_size, interpolation=cv2.INTER_LINEAR),
            A.Affine(translate_percent=(-0.1, 0.1), scale=(0.9, 1.1), rotate=(-12, 12), shear=(-5, 5), p=0.9),
        ],
        "flips": [
            A.RandomResizedCrop((image_size, image_size), scale=(0.5, 1.0), interpolation=cv2.INTER_LINEAR),
            A.HorizontalFlip(p=0.5),
            A.VerticalFlip(p=0.5),
            A.Transpose(p=0.5),
            A.HueSaturationValue(hue_shift_limit=8, sat_shift_limit=20, val_shift_limit=10, p=0.5),
            A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.5),
        ],
    }
    return A.Compose(families[family])


def apply(transform: A.Compose, image: NDArray[np.uint8], seed: int | None = None) -> NDArray[np.uint8]:
    """One view. With a `seed` the view depends on it alone, whoever draws it and in whatever order."""
    if seed is not None:
        transform.set_random_seed(seed)
    view: NDArray[np.uint8] = transform(image=image)["image"]
    return view
