"""The training loop: one recipe on one fold. It knows nothing of Ray, and reads top to bottom.

python -m trainables.train RECIPE.json --data DIR --out FOLDER [--fold 0] [--folds 5] [--weights DIR]
torchrun --nproc-per-node 2 -m trainables.train RECIPE.json ...     on two GPUs of this machine
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from timm.utils import ModelEmaV3
from torch.optim.swa_utils import AveragedModel

from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables import scores
from trainables.backbones import save_net, starting_net
from trainables.checkpoint import load_checkpoint, save_checkpoint
from trainables.checks import check_divides, check_on_data, check_recipes
from trainables.data.cleaned import cleaned_hash, with_cleaned
from trainables.data.duplicates import duplicate_groups
from trainables.data.folds import Folds, make_folds
from trainables.data.images import PlainImages, TrainingImages
from trainables.data.kaggle import ImageData, check_data, load_data
from trainables.data.pixels import Read, reader
from trainables.data.place import DataPlace
from trainables.data.skipped import Skipped, load_skipped
from trainables.epoch import EpochInput, Training, train_epoch
from trainables.files import load_json, save_array, save_json, write_whole
from trainables.freed_memory import give_back
from trainables.last_epochs import last_answer, lost_nets, renew_statistics, stir_in
from trainables.layout import FoldFolder, SearchFolder
from trainables.memory import keep_to_share
from trainables.node import check_node
from trainables.optimizers import load_optimizer, optimizer_of
from trainables.precision import scaler_of
from trainables.predict import device
from trainables.ranks import ALONE, Rank, rank_under_torchrun
from trainables.setting import Setting
from trainables.tensorboard import Curves
from trainables.threads import use_machine
from trainables.validation import Validation, Validator
from trainables.working_copy import working_copy

Row = dict[str, Any]
"""One epoch: epoch, train_loss, `scores.validation`'s, val_loss_raw (the training loss on validation images),
score_s (seconds of it), micro_batch (rows that passed through the net at once), data_wait (share of the seconds of
training in which the net waited for images), learning_rate (the head's), seconds,
images_per_s, fold_hash, threads, processes (that trained it together), ended_at (seconds since 1970), code_hash,
host (its name), diverged."""


@dataclass(frozen=True)
class _Seen:
    """What one fold is trained on, and what it is scored on."""

    data: ImageData
    train_rows: NDArray[np.int64]
    val_images: PlainImages
    val_labels: NDArray[np.int64]
    read: Read
    seed: int
    """With the epoch: of the order, the views, and dropout."""
    fold_hash: str


def train(
    recipe: Recipe,
    data: ImageData,
    folds: Folds,
    fold: int,
    folder: FoldFolder,
    setting: Setting,
    rank: Rank = ALONE,
) -> Iterator[Row]:
    """Train a recipe on a fold, from its checkpoint where there is one; yields a row after each epoch.

    A resumed training first yields its newest row again, since a decision on it may have been lost with the
    process that was to take it. An epoch whose loss is not finite is trained once more from the checkpoint, since
    the machine may have slipped; the same again is the recipe's own doing, and the last row, marked `diverged`.
    Where several processes train together (`rank`) all call this, with one folder; the first one scores and writes.
    """
    use_machine(setting)
    keep_to_share(setting.gpu_share)
    seen = _seen(recipe, data, folds, fold, folder, reader(data.root, setting.cache_gb))
    training = _begin(recipe, data, folds.hash, folder, setting, rank)
    if training.rows:
        if rank.first:
            _publish(training, recipe, folder)
        yield training.rows[-1]
    curves = Curves(folder.path, recipe, len(training.rows) + 1) if rank.first else None
    retried: set[int] = set()
    try:
        while not training.ended(recipe):
            row = _train_and_score(training, recipe, seen, folder, setting, rank)
            if row["diverged"] and row["epoch"] not in retried:
                retried.add(row["epoch"])
                if rank.first:
                    _record_retry(row, folder)
                training = _begin(recipe, data, folds.hash, folder, setting, rank)
                continue
            training.rows.append(row)
            if curves:
                _save(training, recipe, folder)
                curves.add(row)
            give_back()
            yield row
    finally:
        training.coming = None
        if curves:
            curves.close()


def train_in_search(
    place: DataPlace, search: SearchFolder, number: int, fold: int, setting: Setting, rank: Rank = ALONE
) -> Iterator[Row]:
    """`train` for a trial of a search, with its recipe and folds as the search folder has them.

    A row is yielded once all see what belongs to it.
    """
    if setting.node:
        check_node(place, setting.node)
    with working_copy(search, number, fold, setting.bucket, rank) as (here, publish):
        recipe = Recipe.from_dict(load_json(here.trial(number).recipe))
        data = _data(place.here(), load_skipped(here.skipped))
        known = replace(setting, micro_batches=here.micro_batches)
        for row in train(recipe, data, Folds.load(here.folds), fold, here.trial(number).fold(fold), known, rank):
            publish()
            yield row


def train_fold(
    place: DataPlace, search: SearchFolder, number: int, fold: int, setting: Setting, rank: Rank = ALONE
) -> None:
    """`train_in_search` to its end, as a task. Here, so that a worker imports nothing that only the driver needs."""
    for _row in train_in_search(place, search, number, fold, setting, rank):
        pass


@lru_cache(maxsize=1)
def _data(root: Path, skipped: tuple[Skipped, ...]) -> ImageData:
    """Read once: a worker trains one trial after the other on the same images."""
    return load_data(root, skipped)


def _seen(recipe: Recipe, data: ImageData, folds: Folds, fold: int, folder: FoldFolder, read: Read) -> _Seen:
    """Cleaning changes what is trained on; validation labels are those of `data`, as given."""
    train_rows, val_rows = folds.split(fold)
    train_rows = train_rows[data.trains_on(recipe.sources)[train_rows]]
    cleaned, train_rows = with_cleaned(data, train_rows, recipe.denoise, folder.cleaned)
    paths = data.train_paths
    val_images = PlainImages([paths[row] for row in val_rows], recipe, read=read)
    seed = zlib.crc32(f"{recipe.seed} {fold}".encode())
    return _Seen(cleaned, train_rows, val_images, data.labels[val_rows], read, seed, folds.hash)


def _train_and_score(
    training: Training, recipe: Recipe, seen: _Seen, folder: FoldFolder, setting: Setting, rank: Rank
) -> Row:
    """The next epoch, and its row. While the first process scores the net, those that helped to train it wait."""
    started = time.perf_counter()
    epoch = len(training.rows) + 1
    passed = train_epoch(training, recipe, _input(training, recipe, seen, epoch, setting, rank), setting, rank)
    if setting.ahead and setting.loader_workers and epoch < recipe.epochs:
        training.coming = _input(training, recipe, seen, epoch + 1, setting, rank)
    if not rank.first:
        return rank.tell()
    train_loss = passed["train_loss"]
    row: Row = {"epoch": epoch, **passed}
    row |= _score_epoch(training, recipe, seen, row, folder, setting)
    seconds = time.perf_counter() - started
    row |= {"learning_rate": training.optimizer.param_groups[-1]["lr"], "seconds": seconds}
    row |= {"images_per_s": len(seen.train_rows) / seconds, "fold_hash": seen.fold_hash}
    row |= {"threads": setting.threads, "processes": rank.count, "ended_at": time.time()}
    row |= {"code_hash": setting.code_hash, "host": os.uname().nodename}
    row["diverged"] = not (math.isfinite(train_loss) and math.isfinite(row["val_loss"]))
    rank.tell(row)
    return row


def _input(training: Training, recipe: Recipe, seen: _Seen, epoch: int, setting: Setting, rank: Rank) -> EpochInput:
    """An epoch's batches: those that processes have been at since the last epoch, or from now on."""
    coming, training.coming = training.coming, None
    if coming and coming.epoch == epoch:
        return coming
    images = TrainingImages(seen.data, seen.train_rows, recipe, seen.seed, epoch, seen.read)
    return EpochInput(images, recipe, seen.seed, epoch, setting.loader_workers, rank)


def _record_retry(row: Row, folder: FoldFolder) -> None:
    losses = f"the training loss was {row['train_loss']:g} and the validation loss {row['val_loss']:g}"
    with folder.retries.open("a") as file:
        file.write(f"epoch {row['epoch']}: {losses}; trained again\n")


def _score_epoch(
    training: Training, recipe: Recipe, seen: _Seen, row: Row, folder: FoldFolder, setting: Setting
) -> Row:
    """Validation scores at the recipe's own TTA count; where a trial may end, the curve over all counts too."""
    started, epoch = time.perf_counter(), row["epoch"]
    may_end = epoch in setting.curve_epochs or epoch == recipe.epochs
    count = max(recipe.tta_count, setting.largest_tta_count) if may_end else recipe.tta_count
    validator = Validator(recipe, seen.val_images, seen.val_labels, setting.loader_workers)
    said = validator.ask(training.epoch_net, count)
    save_array(folder.epoch_probs(epoch), said.means[recipe.tta_count - 1])
    if epoch in recipe.late_epochs:
        training.soup = stir_in(training.soup, training.epoch_net)
    if epoch == recipe.epochs:
        said = _answer(training, said, validator, seen, row["micro_batch"], folder)
    own, labels = said.means[recipe.tta_count - 1], seen.val_labels
    save_array(folder.pred_probs, own)
    if epoch == recipe.epochs:
        save_array(folder.view_probs, said.views)
    if may_end:
        curve = [
            {"tta_count": views, **{metric: scores.score(metric, probs, labels) for metric in scores.METRICS}}
            for views, probs in enumerate(said.means, start=1)
        ]
        save_json(folder.tta_curve, {"epoch": epoch, "curve": curve})
    scored = {**scores.validation(own, labels), "val_loss_raw": said.raw_loss}
    return {**scored, "score_s": time.perf_counter() - started}


def _answer(
    training: Training, of_last: Validation, validator: Validator, seen: _Seen, micro_batch: int, folder: FoldFolder
) -> Validation:
    """What answers once the last epoch is trained, its soup made ready."""
    paths = seen.data.train_paths
    images = PlainImages([paths[row] for row in seen.train_rows], validator.recipe, read=seen.read)
    renew_statistics(training.soup_net, validator.recipe, images, micro_batch, seen.seed, validator.loader_workers)
    return last_answer(of_last, training.soup_net, training.net if training.average else None, validator, folder)


def _begin(
    recipe: Recipe, data: ImageData, fold_hash: str, folder: FoldFolder, setting: Setting, rank: Rank
) -> Training:
    """A fresh training, or the one that the folder's checkpoint holds."""
    torch.manual_seed(recipe.seed)
    net, build = starting_net(recipe, len(data.classes), setting.weights)
    net = net.to(device())
    average = ModelEmaV3(net, decay=recipe.ema_decay, use_warmup=True) if recipe.ema_decay else None
    training = Training(net, build, optimizer_of(recipe, net), scaler_of(recipe, device()), average)
    stored = load_checkpoint(folder)
    lost = lost_nets(folder, recipe, len(stored["rows"])) if stored else ""
    if lost:
        print(f"note: the training begins again, since it is to answer by nets that are lost: {lost}", flush=True)
    elif stored:
        same = Recipe.from_dict(stored["recipe"]) == recipe and stored["fold_hash"] == fold_hash
        if not same or stored.get("cleaned") != cleaned_hash(folder.cleaned):
            raise InputError(
                f"{folder.checkpoint} is of another recipe, of other folds or of rows cleaned otherwise; "
                "it cannot be resumed here"
            )
        net.load_state_dict(stored["net"])
        load_optimizer(training.optimizer, stored["optimizer"])
        training.scaler.load_state_dict(stored["scaler"])
        if training.average:
            training.average.module.load_state_dict(stored["average"])
        if stored.get("soup"):  # checkpoints of earlier code have none
            training.soup = AveragedModel(training.epoch_net)
            training.soup.load_state_dict(stored["soup"])
        training.rows = stored["rows"]
    if rank.least(len(training.rows)) < len(training.rows):
        raise RuntimeError(f"{folder.path} showed processes that train together different checkpoints")
    return training


def _publish(training: Training, recipe: Recipe, folder: FoldFolder) -> None:
    """What others read: after an epoch, and after a resume too, which may stand on an older one or on lost files."""
    rows = training.rows
    write_whole(folder.metrics, pd.DataFrame(rows).to_csv(index=False))
    weights = dict(zip(recipe.answering_epochs, folder.nets(recipe), strict=True)).get(len(rows))
    if weights and not rows[-1]["diverged"]:
        net = training.soup_net if recipe.answer == "soup" else training.epoch_net
        save_net(weights, net, recipe, training.build)


def _save(training: Training, recipe: Recipe, folder: FoldFolder) -> None:
    """The checkpoint last: once it is there, everything of its epoch is."""
    rows = training.rows
    _publish(training, recipe, folder)
    save_checkpoint(
        folder,
        {
            "recipe": recipe.to_dict(),
            "fold_hash": rows[-1]["fold_hash"],
            "cleaned": cleaned_hash(folder.cleaned),
            "rows": rows,
            "net": training.net.state_dict(),
            "optimizer": training.optimizer.state_dict(),
            "scaler": training.scaler.state_dict(),
            "average": training.average.module.state_dict() if training.average else None,
            "soup": training.soup.state_dict() if training.soup else None,
        },
    )


def main(arguments: list[str] | None = None) -> int:
    """Train one recipe on one fold from the command line, without Ray; prints a JSON row an epoch."""
    parser = argparse.ArgumentParser(prog="python -m trainables.train", description="One recipe on one fold, no Ray.")
    parser.add_argument("recipe", type=Path, help="a recipe.json")
    parser.add_argument("--data", type=Path, required=True, help="folder in the Kaggle layout")
    parser.add_argument("--out", type=Path, required=True, help="folder for metrics, predictions and weights")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--weights", type=Path, help="folder of local pretrained weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--loader-workers", type=int, default=0)
    parser.add_argument("--cache-gb", type=float, default=0.0, help="disk for decoded images (default: none)")
    parser.add_argument("--deterministic", action="store_true", help="on a GPU: the same bits each time, more slowly")
    flags = parser.parse_args(arguments)
    try:
        recipe = Recipe.from_dict(json.loads(flags.recipe.read_text()))
        check_recipes([recipe], flags.weights)
        data, contents = check_data(flags.data)
        check_on_data([recipe], data)
        groups = duplicate_groups(contents.thumbnails, contents.digests)
        folds = make_folds(data, flags.folds, recipe.seed, contents.hash, groups)
        if not 0 <= flags.fold < flags.folds:
            raise InputError(f"--fold must be in [0, {flags.folds - 1}], got {flags.fold}")
        setting = Setting(
            flags.weights,
            recipe.tta_count,
            threads=flags.threads,
            loader_workers=flags.loader_workers,
            cache_gb=flags.cache_gb,
            deterministic=flags.deterministic,
        )
        rank = rank_under_torchrun()
        check_divides([recipe], rank.count)
        for row in train(recipe, data, folds, flags.fold, FoldFolder(flags.out), setting, rank):
            if rank.first:
                print(json.dumps(row), flush=True)
    except (InputError, OSError, json.JSONDecodeError) as error:
        print(f"trainables.train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
