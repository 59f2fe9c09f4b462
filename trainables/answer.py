"""One pass over many images by many nets, that can stop at any image and go on there.

Every image is read once, whatever the number of nets and views. What is predicted is written every few images, so that
the same command goes on after an interruption.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from search_spaces.recipe import Recipe
from trainables.backbones import Net
from trainables.data.images import Batch, PlainImages, plain_loader
from trainables.layout import load_array, load_json, save_array, save_json
from trainables.predict import batch_probs, device, looks

Nets = Sequence[tuple[Net, Recipe]]

Counts = tuple[int, ...]
"""Views that each net looks at; 0 leaves it out."""

_WARM_UP_IMAGES = 8


def batch_size() -> int:
    """Images that pass through a net at once; where memory ends, halves."""
    return 128 if device().type == "cuda" else 32


@dataclass(frozen=True)
class Partial:
    """What an interrupted prediction has so far: a folder beside the answer, that goes with it."""

    folder: Path

    def of(self, weights: Sequence[Path], paths: Sequence[Path], limited: bool) -> Partial:
        """Itself; what it holds of other nets or other images is deleted."""
        files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in (*weights, *paths)]
        key = hashlib.sha256(json.dumps([files, limited, batch_size()]).encode()).hexdigest()
        about = self.folder / "about.json"
        if not about.exists() or load_json(about) != key:
            shutil.rmtree(self.folder, ignore_errors=True)
            save_json(about, key)
        return self

    def load(self) -> dict[int, NDArray[np.float32]]:
        """By the first image of each batch, (nets, n, K)."""
        return {int(path.stem): load_array(path) for path in self.folder.glob("*.npy")}

    def save(self, first: int, probs: NDArray[np.float32]) -> None:
        save_array(self.folder / f"{first:08d}.npy", probs)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def answer(
    nets: Nets,
    paths: Sequence[Path],
    partial: Partial,
    counts: Callable[[int], Counts | None],
    on_batch: Callable[[int, Counts, float], object],
    workers: int = 0,
) -> None:
    """Predict what `partial` lacks, batch by batch.

    `counts(images left)` says how each batch is looked at, None ends it all; `on_batch(images, counts, seconds)` is
    told what it took, reading included.
    """
    done = partial.load()
    starts = [first for first in range(0, len(paths), batch_size()) if first not in done]
    missing = [paths[row] for first in starts for row in range(first, min(first + batch_size(), len(paths)))]
    left, since = len(missing), time.monotonic()
    loader = plain_loader(PlainImages(missing, *(recipe for _, recipe in nets)), batch_size(), workers)
    for first, batch in zip(starts, loader, strict=True):
        asked = counts(left)
        if asked is None:
            return
        probs = batch_probs(nets, batch, asked)
        partial.save(first, probs)
        left -= probs.shape[1]
        now = time.monotonic()
        on_batch(probs.shape[1], asked, now - since)
        since = now


def collected(partial: Partial, images: int, nets: int, classes: int) -> NDArray[np.float32]:
    """All that was predicted (nets, images, K); NaN where a net did not look."""
    probs = np.full((nets, images, classes), np.nan, np.float32)
    for first, part in partial.load().items():
        probs[:, first : first + part.shape[1]] = part
    return probs


@dataclass(frozen=True)
class Timing:
    """Seconds, measured here."""

    image_s: float
    """An image, read and made square."""
    view_s: tuple[float, ...]
    """A view of it, by net."""
    images: int
    """It was measured on."""


def measure(nets: Nets, paths: Sequence[Path], views: int, most_images: int, most_s: float, workers: int) -> Timing:
    """Look at a few images, spread over all of them, for as long as `most_s`. Nothing is kept of it.

    The first few warm up, and tell whether all `views` can be measured or only the plain one.
    """
    rows = np.unique(np.linspace(0, len(paths) - 1, min(most_images, len(paths))).astype(int))
    some = PlainImages([paths[row] for row in rows], *(recipe for _, recipe in nets))
    warm = next(iter(plain_loader(some, min(_WARM_UP_IMAGES, len(rows)), 0)))
    _seconds(nets, warm, 1)
    a_look = sum(_seconds(nets, warm, 1)) / len(next(iter(warm.values())))
    views = views if a_look * views * batch_size() <= most_s / 2 else 1
    started = since = time.monotonic()
    read_s, look_s, seen = 0.0, np.zeros(len(nets)), 0
    for batch in plain_loader(some, batch_size(), workers):
        read_s += time.monotonic() - since
        look_s += _seconds(nets, batch, views)
        seen += len(next(iter(batch.values())))
        since = time.monotonic()
        if since - started > most_s:
            break
    return Timing(read_s / seen, tuple(look_s / (seen * views)), seen)


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
