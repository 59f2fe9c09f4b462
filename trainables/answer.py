"""One pass over many images by many nets, that can stop at any image and go on there.

Every image is read once, whatever the number of nets and views. What is predicted is written every few images, so that
the same command goes on after an interruption. `predict.py` passes over all images itself; of a search's test images
several workers take a part each (`trainables/prediction.py`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.recipe import Recipe
from trainables.backbones import Net
from trainables.data.images import Batch, PlainImages, plain_loader
from trainables.files import load_array, load_json, save_array, save_json
from trainables.predict import batch_probs, device, looks
from trainables.view_means import MEANS

Nets = Sequence[tuple[Net, Recipe]]

Counts = tuple[int, ...]
"""Views that each net looks at; 0 leaves it out."""

_WARM_UP_IMAGES = 8


def batch_size(on_gpu: bool | None = None) -> int:
    """Images that pass through a net at once, here or on a machine that is told; where memory ends, halves."""
    return 128 if (device().type == "cuda" if on_gpu is None else on_gpu) else 32


@dataclass(frozen=True)
class Partial:
    """What an interrupted prediction has so far: a folder beside the answer, that goes with it."""

    folder: Path

    def of(self, weights: Sequence[Path], paths: Sequence[Path], *how: object) -> Partial:
        """Itself; what it holds of other nets, of other images or of another way of looking is deleted."""
        files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in (*weights, *paths)]
        key = hashlib.sha256(json.dumps([files, how]).encode()).hexdigest()
        if self.about() != key:
            self.begin(key)
        return self

    def about(self) -> Any:
        """What `begin` was told; None where nothing is begun."""
        return load_json(self._about) if self._about.exists() else None

    def begin(self, about: Any) -> None:
        """Anew. `about`, as JSON, says of what."""
        self.remove()
        save_json(self._about, about)

    @property
    def _about(self) -> Path:
        return self.folder / "about.json"

    def starts(self) -> set[int]:
        """The first image of each batch that is there."""
        return {int(path.stem) for path in self.folder.glob("*.npy")}

    def load(self) -> dict[int, NDArray[np.float32]]:
        """By the first image of each batch, (nets, n, K)."""
        return {int(path.stem): load_array(path) for path in self.folder.glob("*.npy")}

    def save(self, first: int, probs: NDArray[np.float32]) -> None:
        save_array(self._batch(first), probs)

    def written_at(self, first: int) -> float:
        """When a batch that is there was written, in seconds since 1970."""
        return self._batch(first).stat().st_mtime

    def collect(
        self,
        readable: NDArray[np.bool_],
        shares: NDArray[np.floating],
        answered: Callable[[NDArray[np.float32]], NDArray[Any]],
        *ways: int,
    ) -> tuple[NDArray[np.float64], int]:
        """Class probabilities (*ways, N, K) of all images, and how many of them are there; the others have the shares.

        The images that were looked at are the `readable` (N,) ones, in their order. `answered` makes (*ways, n, K) of
        what the nets said (nets, n, K); `shares` (K,) is how common the classes are.
        """
        probs, rows, there = np.tile(shares, (*ways, len(readable), 1)), np.flatnonzero(readable), 0
        for first, part in self.load().items():
            probs[..., rows[first : first + part.shape[1]], :] = answered(part)
            there += part.shape[1]
        return probs, there

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _batch(self, first: int) -> Path:
        return self.folder / f"{first:08d}.npy"


def answer(
    nets: Nets,
    paths: Sequence[Path],
    partial: Partial,
    counts: Callable[[int], Counts | None],
    on_batch: Callable[[int, Counts, float], object],
    *,
    batch: int,
    workers: int = 0,
    mean: str = MEANS[0],
    among: Container[int] | None = None,
) -> None:
    """Predict what `partial` lacks, `batch` images at a time.

    `counts(images left)` says how each batch is looked at, None ends it all; `on_batch(images, counts, seconds)` is
    told what it took, reading included. `mean`, one of `view_means.MEANS`, says what of the views is averaged.
    Only batches whose first image is `among` some are looked at, where others take the other ones.
    """
    done = partial.starts()
    wanted = (first for first in range(0, len(paths), batch) if among is None or first in among)
    starts = [first for first in wanted if first not in done]
    missing = [paths[row] for first in starts for row in range(first, min(first + batch, len(paths)))]
    left, since = len(missing), time.monotonic()
    loader = plain_loader(PlainImages(missing, *(recipe for _, recipe in nets)), batch, workers)
    for first, images in zip(starts, loader, strict=True):
        asked = counts(left)
        if asked is None:
            return
        probs = batch_probs(nets, images, asked, mean)
        partial.save(first, probs)
        left -= probs.shape[1]
        now = time.monotonic()
        on_batch(probs.shape[1], asked, now - since)
        since = now


@dataclass(frozen=True)
class Timing:
    """Seconds, measured here."""

    image_s: float
    """An image, read and made square."""
    view_s: tuple[float, ...]
    """A view of it, by net."""
    images: int
    """It was measured on."""


def measure(
    nets: Nets, paths: Sequence[Path], views: int, most_images: int, most_s: float, batch: int, workers: int
) -> Timing:
    """Look at a few images, spread over all of them, in about `most_s`. Nothing is kept of it.

    The first few warm up, and tell how many images can be looked at, and whether at all `views` or at the plain one.
    """
    recipes = [recipe for _, recipe in nets]
    warm = next(iter(plain_loader(PlainImages(_spread(paths, _WARM_UP_IMAGES), *recipes), _WARM_UP_IMAGES, 0)))
    _seconds(nets, warm, 1)
    a_look = sum(_seconds(nets, warm, 1)) / len(next(iter(warm.values())))
    count = max(1, min(most_images, int(most_s / a_look)))
    views = views if a_look * views * count <= most_s else 1
    since = time.monotonic()
    read_s, look_s, seen = 0.0, np.zeros(len(nets)), 0
    for images in plain_loader(PlainImages(_spread(paths, count), *recipes), batch, workers):
        read_s += time.monotonic() - since
        look_s += _seconds(nets, images, views)
        seen += len(next(iter(images.values())))
        since = time.monotonic()
    return Timing(read_s / seen, tuple(look_s / (seen * views)), seen)


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    rows = np.unique(np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int))
    return [paths[row] for row in rows]


def _seconds(nets: Nets, batch: Batch, views: int) -> list[float]:
    """Of each net, for so many views of a batch; making a view counts for the first net that looks at it."""
    spent = [0.0] * len(nets)
    since = time.monotonic()
    for look in looks(nets, batch, [views] * len(nets)):
        if look.logits.is_cuda:
            torch.cuda.synchronize()
        now = time.monotonic()
        spent[look.net] += now - since
        since = now
    return spent
