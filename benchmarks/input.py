"""From photos to augmented batches on one core: our input beside the cassava diary's, as its kernel wrote it.

python -m benchmarks.input [--data FOLDER] [--images 128] [--size 380] [--rounds 7] [--augment diary] [--json FILE]

Without `--data` the photos are made: 800 x 600 px JPEGs with a photo's detail, some 250 kB each. In turns, round by
round, each makes one float32 batch after the other of all images:

kernel   decode; albumentations' crop, flips, turns, colours, `Normalize`, `ToTensorV2`, image by image (AUG-01)
first    ours in a first epoch: decode, keep the pixels, one warp, colours; the batch normalised as the net does it
later    ours in every later epoch, of any trial: pixels from the cache
uncached ours with `--cache-gb 0`

Milliseconds of wall-clock an image, one thread; medians and ranges over rounds, and ratios to the kernel's by round.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import albumentations as A
import numpy as np
import pandas as pd
import torch
from albumentations.pytorch import ToTensorV2
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.photos import made_photos
from benchmarks.spread import spread
from cluster.session import REUSED
from search_spaces.recipe import Recipe
from trainables.backbones import Net
from trainables.data.images import TrainingImages
from trainables.data.kaggle import ImageData
from trainables.data.pixels import PixelCache, read_image
from trainables.files import save_json

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet."""

BATCH = 32


class KernelImages(Dataset[Tensor]):
    """As the public kernel that the diary took over has it (albumentations 2's names for what has been renamed)."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self._paths = paths
        self._made = A.Compose(
            [
                A.RandomResizedCrop((size, size)),
                A.Transpose(p=0.5),
                A.HorizontalFlip(p=0.5),
                A.VerticalFlip(p=0.5),
                A.ShiftScaleRotate(p=0.5),
                A.HueSaturationValue(hue_shift_limit=0.2, sat_shift_limit=0.2, val_shift_limit=0.2, p=0.5),
                A.RandomBrightnessContrast(brightness_limit=(-0.1, 0.1), contrast_limit=(-0.1, 0.1), p=0.5),
                A.Normalize(MEAN, STD),
                ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int) -> Tensor:
        made: Tensor = self._made(image=read_image(self._paths[row]))["image"]
        return made


def kernel_epoch(paths: list[Path], size: int) -> Iterator[Tensor]:
    yield from DataLoader(KernelImages(paths, size), BATCH)


def our_epoch(data: ImageData, recipe: Recipe, epoch: int, cache: PixelCache | None) -> Iterator[Tensor]:
    """As a training reads them, and its net normalises them before it does anything else."""
    rows = np.arange(len(data.image_ids))
    images = TrainingImages(data, rows, recipe, 0, epoch, cache.read if cache else None)
    net = Net(torch.nn.Identity(), MEAN, STD, recipe)
    for batch, _labels in DataLoader(images, BATCH):
        yield net(batch)


def milliseconds(batches: Iterator[Tensor], images: int) -> float:
    """An image."""
    started = time.perf_counter()
    seen = sum(len(batch) for batch in batches)
    assert seen == images, f"{seen} of {images} images came"
    return (time.perf_counter() - started) * 1000 / images


def compare(asked: argparse.Namespace, scratch: Path) -> pd.DataFrame:
    """A row a round, a column a way; the order turns, so that none is always the first."""
    data = photos(asked, scratch)
    recipe = Recipe(
        backbone="resnet18", image_size=asked.size, batch_size=BATCH, learning_rate=1e-3, epochs=10_000,
        augment=asked.augment,
    )  # fmt: skip
    kept = PixelCache(data.root, 50)
    ways: dict[str, Callable[[int], Iterator[Tensor]]] = {
        "kernel": lambda epoch: kernel_epoch(data.train_paths, asked.size),
        "first": lambda epoch: our_epoch(data, recipe, epoch, PixelCache(scratch / f"none{epoch}", 50)),
        "later": lambda epoch: our_epoch(data, recipe, epoch, kept),
        "uncached": lambda epoch: our_epoch(data, recipe, epoch, None),
    }
    for way in ways.values():
        milliseconds(way(1), len(data.image_ids))
    rows = []
    for epoch in range(2, asked.rounds + 2):
        names = list(ways)[epoch % len(ways) :] + list(ways)[: epoch % len(ways)]
        rows.append({name: milliseconds(ways[name](epoch), len(data.image_ids)) for name in names})
    return pd.DataFrame(rows)[list(ways)]


def photos(asked: argparse.Namespace, scratch: Path) -> ImageData:
    """`--data`'s first training images, or photos that are made."""
    root = asked.data or scratch
    if not asked.data:
        made_photos(root / "train_images", asked.images)
    names = tuple(sorted(path.name for path in (root / "train_images").iterdir())[: asked.images])
    return ImageData(root, names, np.zeros(len(names), np.int64), None, (), ("one", "other"))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.input", description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder in the Kaggle layout (default: photos that are made)")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--size", type=int, default=380)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--augment", default="diary", help="of our recipe")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    os.environ |= REUSED  # as workers are started; torch looks when it first allocates
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        found = compare(asked, Path(scratch) / "data")
    ratios = found.rdiv(found["kernel"], axis=0)
    table = pd.DataFrame(
        {
            "ms an image": [spread(found[way], 2) for way in found],
            "times as fast": [spread(ratios[way], 2) for way in found],
        },
        index=list(found),
    )
    print(f"n = {len(found)} rounds of {asked.images} images at {asked.size} px: median (range)\n\n{table.to_string()}")
    if asked.json:
        save_json(asked.json, {"ms": found.to_dict("list"), "times_as_fast": ratios.median().to_dict()})


if __name__ == "__main__":
    main()
