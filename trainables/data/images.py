"""Images as tensors for a loader: uint8 (H, W, 3); normalisation is the net's business."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from search_spaces.recipe import Recipe
from trainables import augment
from trainables.data.kaggle import ImageData
from trainables.data.pixels import Read, read_image
from trainables.ranks import ALONE, Rank

T = TypeVar("T")

Square = tuple[str, int]
"""How an image is made square (`fit`), and the side in px."""

Batch = dict[Square, Tensor]
"""The same images in every square that was asked for, (n, S, S, 3) uint8."""


def square(recipe: Recipe) -> Square:
    """What a recipe's net is shown of a plain image."""
    return recipe.fit, recipe.plain_size


class PlainImages(Dataset[Batch]):
    """Images to predict: each decoded once, made square as each of the recipes wants it, nothing else."""

    def __init__(self, paths: Sequence[Path], *recipes: Recipe, read: Read | None = None) -> None:
        self._paths, self._read = list(paths), read or read_image
        self._views = {square(recipe): augment.plain(recipe) for recipe in recipes}

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int) -> Batch:
        image = self._read(self._paths[row])
        return {size: torch.from_numpy(view(image)) for size, view in self._views.items()}


class TrainingImages(Dataset[tuple[Tensor, int | Tensor]]):
    """Augmented images of some rows with their labels, or their shares (K,) where the data has such.

    An image's view depends on (seed, epoch, its place among the rows) and on nothing else.
    """

    def __init__(
        self,
        data: ImageData,
        rows: NDArray[np.int64],
        recipe: Recipe,
        seed: int,
        epoch: int,
        read: Read | None = None,
    ) -> None:
        paths = data.train_paths
        self._paths, self._read = [paths[row] for row in rows], read or read_image
        self.labels = data.labels[rows]
        self._shares = None if data.shares is None else torch.from_numpy(data.shares[rows])
        self._view = augment.training(recipe, epoch)
        self._seed = f"{seed} {epoch}"

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int) -> tuple[Tensor, int | Tensor]:
        view = self._view(self._read(self._paths[row]), zlib.crc32(f"{self._seed} {row}".encode()))
        target = int(self.labels[row]) if self._shares is None else self._shares[row]
        return torch.from_numpy(np.ascontiguousarray(view)), target


class Timed(Generic[T]):
    """Batches as they come, and the `seconds` for which they were waited for."""

    def __init__(self, batches: Iterable[T]) -> None:
        self._batches = batches
        self.seconds = 0.0

    def __iter__(self) -> Iterator[T]:
        asked = time.perf_counter()
        for batch in self._batches:
            self.seconds += time.perf_counter() - asked
            yield batch
            asked = time.perf_counter()


def batch_sizes(rows: int, batch_size: int) -> list[int]:
    """Rows of an epoch's batches. A last one of one image is left out: one alone has no statistics for BatchNorm."""
    sizes = [min(batch_size, rows - first) for first in range(0, rows, batch_size)]
    return sizes[:-1] if len(sizes) > 1 and sizes[-1] == 1 < batch_size else sizes


def training_loader(
    images: TrainingImages, recipe: Recipe, order_seed: int, workers: int, rank: Rank = ALONE, before: int = 0
) -> DataLoader:  # type: ignore[type-arg]
    """Shuffled batches of images (n, S, S, 3) uint8 and labels (n,) or shares (n, K): the rows of `rank`."""
    order = iter(sampled_rows(images.labels, recipe.sampling, torch.Generator().manual_seed(order_seed)))
    batches = [list(islice(order, size)) for size in batch_sizes(len(images), recipe.batch_size)]
    sampler = [rank.rows(batch, before) for batch in batches]
    own = torch.Generator().manual_seed(order_seed)  # whenever it begins, it draws nothing from the training's
    pinned = torch.cuda.is_available()
    return DataLoader(images, batch_sampler=sampler, num_workers=workers, generator=own, pin_memory=pinned)


def sampled_rows(labels: NDArray[np.int64], sampling: str, generator: torch.Generator) -> list[int]:
    """The rows of one epoch in their order: every row once, or as many drawn with replacement, by class."""
    if sampling == "natural":
        return list(torch.randperm(len(labels), generator=generator).tolist())
    counts = np.bincount(labels)[labels]  # of a row's class
    weights = counts ** {"sqrt": -0.5, "balanced": -1.0}[sampling]
    drawn = torch.multinomial(torch.from_numpy(weights), len(labels), replacement=True, generator=generator)
    return list(drawn.tolist())


def plain_loader(images: PlainImages, batch_size: int, workers: int) -> DataLoader[Batch]:
    """Batches in order; with `workers` the next ones are prepared meanwhile."""
    pinned = torch.cuda.is_available()
    return DataLoader(images, batch_size, shuffle=False, num_workers=workers, pin_memory=pinned)
