"""Generated images in the Kaggle layout: what a driver does before Ray, and a worker before its first step."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from benchmarks.growth.measuring import Measured, Meter
from trainables.bar import bar

N_CLASSES = 5
SHOT_TWICE = 100
"""Of so many images the last shows what the one before shows, compressed otherwise."""

_SIZE, _COARSE = (64, 48), (6, 8)
_TESTS = 16
_PHASES = {
    "check_data": "decode and check",
    "duplicate_groups": "duplicates",
    "make_folds": "folds",
    "facts": "list the folder",
}


def jpeg(number: int) -> bytes:
    """Coloured blobs with grain, as different from one number to the next as photos are, but for those shot twice."""
    again = number % SHOT_TWICE == SHOT_TWICE - 1
    rng = np.random.default_rng(number - 1 if again else number)
    coarse = Image.fromarray(rng.integers(0, 256, (*_COARSE, 3), dtype=np.uint8))
    blobs = np.asarray(coarse.resize(_SIZE, Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-6, 7, blobs.shape)
    written = io.BytesIO()
    Image.fromarray(np.clip(blobs + grain, 0, 255).astype(np.uint8)).save(written, "JPEG", quality=70 if again else 90)
    return written.getvalue()


def prepare(folder: Path, sizes: list[int]) -> None:
    """A data folder for each size. Their images are the same files, linked: a folder of its own has each once."""
    pool = folder / "pool"
    pool.mkdir(parents=True)
    with ThreadPoolExecutor() as threads, bar("generating images", quiet=False) as update:
        written = threads.map(lambda number: (pool / name(number)).write_bytes(jpeg(number)), range(max(sizes)))
        for done, _ in enumerate(written, start=1):
            update(done, max(sizes))
    for size in sizes:
        layout(folder / str(size), pool, size)


def name(number: int) -> str:
    return f"{number:06d}.jpg"


def layout(root: Path, pool: Path, size: int) -> None:
    from trainables.data import kaggle  # here: a point's process holds what it measures alone

    for part, count in ((kaggle.TRAIN_IMAGES, size), (kaggle.TEST_IMAGES, _TESTS)):
        (root / part).mkdir(parents=True)
        for number in range(count):
            os.link(pool / name(number), root / part / name(number))
    labels = np.random.default_rng(size).integers(0, N_CLASSES, size)
    names, classes = [name(number) for number in range(size)], [f"class {k}" for k in range(N_CLASSES)]
    kaggle.write_tables(root, names, labels, names[:_TESTS], classes)


def driver(size: int, folder: Path) -> Measured:
    """A checked plan, and a search begun; its parts are timed where the plan calls them."""
    import scipy.fft
    import scipy.sparse.csgraph  # noqa: F401  what the driver would import on its way
    import sklearn.model_selection  # noqa: F401

    from cluster import plan as planning
    from cluster.flags import read_flags
    from cluster.identity import begin
    from cluster.space import space_of

    flags = read_flags(["--data", str(folder / str(size)), "--out", str(folder / f"out-{size}"), "--quiet"])
    meter = Meter()
    with meter.timed("all"), ExitStack() as patched:
        for function, phase in _PHASES.items():
            patched.enter_context(patch.object(planning, function, _timed(getattr(planning, function), meter, phase)))
        plan = planning.make_plan(flags, space_of(flags))
        assert plan is not None
        begin(plan)
    return {**meter.found, "images seen twice": size - float(plan.groups.max() + 1)}


def _timed(function: Callable[..., Any], meter: Meter, phase: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        with meter.timed(phase):
            return function(*arguments)

    return call


def worker(size: int, folder: Path) -> Measured:
    """Of the search that the driver has begun; an epoch's batches are made and the first is read."""
    import trainables.train  # noqa: F401  the libraries of a training, which it would import on its way
    from search_spaces import Recipe
    from trainables.data.folds import Folds
    from trainables.data.images import TrainingImages, training_loader
    from trainables.data.kaggle import load_data
    from trainables.data.place import DataPlace
    from trainables.layout import SearchFolder
    from trainables.node import facts

    search, place = SearchFolder(folder / f"out-{size}"), DataPlace(str(folder / str(size)))
    recipe = Recipe(backbone="test_vit", image_size=32, batch_size=32, learning_rate=1e-3, epochs=1)
    meter = Meter()
    with meter.timed("list the folder"):
        facts(place)
    with meter.timed("tables"):
        data = load_data(place.here())
    with meter.timed("fold file"):
        folds = Folds.load(search.folds)
    with meter.timed("first batch of an epoch"):
        images = TrainingImages(data, folds.split(0)[0], recipe, 0, 1)
        next(iter(training_loader(images, recipe, 0, 0)))
    return meter.found
