"""How fast recipes train and predict: measured here, or as the diary's epochs took."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData
from trainables.layout import FoldFolder
from trainables.setting import Setting
from trainables.train import train

TRAIN_BATCHES, VAL_IMAGES = 8, 64
"""Of one measured epoch, where there are so many."""

_LONG_ENOUGH_S, _MOST_TIMES_LONGER = 1.0, 8
"""What is over sooner is measured again, longer: what any epoch takes, however short, would count as pace."""

_PASSES_OF_A_STEP = 3
"""A backward pass costs about two forward ones."""

_DIARY_SECONDS = {
    "tf_efficientnet_b0": (380, 510),
    "tf_efficientnet_b1": (410, 800),
    "tf_efficientnet_b2": (440, 1065),
    "tf_efficientnet_b3": (470, 1455),
    "tf_efficientnet_b4": (500, 2390),
    "seresnext50_32x4d": (410, 1170),
}
"""By architecture: image size, and seconds of an epoch of the diary on one Kaggle GPU: fold 0 of 21,397 images in five
folds, with SAM, scored at one view."""

_DIARY_IMAGES, _DIARY_FOLDS = 21_397, 5


@dataclass(frozen=True)
class Throughput:
    """Seconds on one slot."""

    train_image_s: float
    """One training image, from its file to its part of a step."""
    view_s: float
    """One view of one image, from its file to its probabilities."""

    def epoch_s(self, train_images: int, val_images: int, views: int) -> float:
        """Of an epoch that is scored at `views`."""
        return train_images * self.train_image_s + val_images * views * self.view_s


def answer_views(recipe: Recipe, train_images: int, val_images: int) -> int:
    """Views of the work at the end of a training, beside its last epoch: what else may answer is made and asked."""
    asked = len(recipe.answering_epochs) + bool(recipe.ema_decay)
    return train_images + val_images * recipe.tta_count * asked


Key = tuple[object, ...]


def cost_key(recipe: Recipe) -> Key:
    """Recipes of one key cost the same but for chance."""
    return (
        recipe.backbone,
        recipe.image_size,
        recipe.plain_size,
        recipe.sam_rho > 0,
        recipe.precision,
        recipe.channels_last,
        recipe.mix == "snapmix",  # another forward pass
    )


def measured(
    recipes: Iterable[Recipe],
    data: ImageData,
    setting: Setting,
    on_recipe: Callable[[int, int], object],
) -> dict[Key, Throughput]:
    """Train a few steps of one recipe of each kind on this machine, as a trial would."""
    kinds = {cost_key(recipe): recipe for recipe in recipes}
    found = {}
    for done, (key, recipe) in enumerate(kinds.items()):
        on_recipe(done, len(kinds))
        found[key] = _measure(recipe, data, setting)
    on_recipe(len(kinds), len(kinds))
    return found


def _measure(recipe: Recipe, data: ImageData, setting: Setting) -> Throughput:
    found, seconds = _timed(recipe, data, setting, 1)
    if seconds >= _LONG_ENOUGH_S:
        return found
    return _timed(recipe, data, setting, min(_MOST_TIMES_LONGER, ceil(_LONG_ENOUGH_S / seconds)))[0]


def _timed(recipe: Recipe, data: ImageData, setting: Setting, times: int) -> tuple[Throughput, float]:
    """The last of three epochs, and its seconds: the first warms up, and so does one of the head alone.

    No image is read ahead of its epoch: of so few, most would be read while the epoch before is scored, and training
    would seem to cost less than it does, and scoring more.
    """
    some, folds = _some(data, times * TRAIN_BATCHES * recipe.batch_size, times * VAL_IMAGES, recipe.seed)
    train_rows, val_rows = folds.split(0)
    epochs, setting = recipe.head_epochs + 2, replace(setting, ahead=False)
    shown = replace(
        recipe, epochs=max(recipe.epochs, epochs + 1)
    )  # one more, or the last would be scored at all counts
    with tempfile.TemporaryDirectory() as folder:
        *_, row = islice(train(shown, some, folds, 0, FoldFolder(Path(folder)), setting), epochs)
    train_s = row["seconds"] - row["score_s"]
    return Throughput(train_s / len(train_rows), row["score_s"] / (len(val_rows) * recipe.tta_count)), row["seconds"]


def _some(data: ImageData, train_images: int, val_images: int, seed: int) -> tuple[ImageData, Folds]:
    """A part of the data, drawn by chance, of which the first few validate."""
    count = len(data.image_ids)
    val_images = min(val_images, count // 4)
    rows = np.random.default_rng(seed).permutation(count)[: val_images + train_images]
    fold_of: NDArray[np.int64] = (np.arange(len(rows)) >= val_images).astype(np.int64)
    return data.at(rows), Folds(2, seed, "", fold_of, np.ones(len(rows), np.bool_))


def as_in_the_diary(recipes: Sequence[Recipe]) -> dict[Key, Throughput]:
    """Of recipes whose backbone the diary timed, by the area of their images; the others are not there."""
    found = {}
    for recipe in recipes:
        architecture = recipe.backbone.partition(".")[0]
        if architecture in _DIARY_SECONDS:
            size, seconds = _DIARY_SECONDS[architecture]
            val = _DIARY_IMAGES // _DIARY_FOLDS
            passes = 2 * _PASSES_OF_A_STEP * (_DIARY_IMAGES - val) + val  # with SAM every step counts twice
            pass_s = seconds / passes / size**2
            steps = 2 if recipe.sam_rho > 0 else 1
            found[cost_key(recipe)] = Throughput(
                steps * _PASSES_OF_A_STEP * pass_s * recipe.image_size**2, pass_s * recipe.plain_size**2
            )
    return found
