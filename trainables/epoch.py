"""One epoch's steps, from its images to the weights; no scores, no files."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from timm.utils import ModelEmaV3
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from search_spaces.recipe import Recipe
from trainables.backbones import Build, Net
from trainables.data.images import Timed, TrainingImages, batch_sizes, training_loader
from trainables.data.on_device import on_device
from trainables.joint_steps import stepper_of
from trainables.mixing import mix
from trainables.predict import device
from trainables.ranks import ALONE, Rank
from trainables.schedules import learning_rate
from trainables.setting import Setting

Row = dict[str, Any]


class EpochInput:
    """The batches of one epoch. Loader workers, where there are some, begin with them at once."""

    def __init__(
        self, images: TrainingImages, recipe: Recipe, seed: int, epoch: int, workers: int, rank: Rank = ALONE
    ) -> None:
        self.seed, self.epoch = seed, epoch
        self.sizes = batch_sizes(len(images), recipe.batch_size)
        self.mixes = recipe.augments(epoch) and recipe.mix != "none"
        self.before = int(self.mixes and rank.count > 1)
        """Rows in front of this process's own: the one that its first is mixed with."""
        loader = training_loader(images, recipe, seed + epoch, workers, rank, self.before)
        self.batches: Timed[list[Tensor]] = Timed(iter(loader) if workers else loader)


@dataclass
class Training:
    """What changes from epoch to epoch, and what a checkpoint keeps."""

    net: Net
    build: Build
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: ModelEmaV3 | None = None
    """Moving average of the weights, where the recipe has one."""
    soup: AveragedModel | None = None
    """Of the last epochs' nets, from the first of them on."""
    rows: list[Row] = field(default_factory=list)
    coming: EpochInput | None = None
    """The next epoch's, where other processes read it while this one scores the net."""

    @property
    def epoch_net(self) -> Net:
        """The net that an epoch is scored by."""
        net: Net = self.average.module if self.average else self.net
        return net

    @property
    def soup_net(self) -> Net:
        """The net with the mean weights of the last epochs' nets; there from the first of those on."""
        assert self.soup
        return cast(Net, self.soup.module)

    def ended(self, recipe: Recipe) -> bool:
        """Whether there is no epoch left to train."""
        return len(self.rows) >= recipe.epochs or bool(self.rows and self.rows[-1]["diverged"])


def train_epoch(training: Training, recipe: Recipe, given: EpochInput, setting: Setting, rank: Rank = ALONE) -> Row:
    """One pass over the training rows; returns of the epoch's row what it alone knows.

    Nothing in it waits for a GPU but the loss at the end, so that its queue does not run empty.
    """
    started, where, epoch = time.perf_counter(), device(), given.epoch
    _seed(f"{given.seed} {epoch}", rank)
    total = torch.zeros((), device=where)
    with rank.joined(training.net.head_only(epoch <= recipe.head_epochs).train()) as net:
        stepper = stepper_of(net, training.optimizer, training.scaler, recipe, setting, where, rank)
        for size, step, (batch, labels) in _steps(training, recipe, given, where):
            if given.mixes:
                batch, labels = mix(recipe, batch, labels, training.build.n_classes, training.net)
            total += stepper.step(batch[given.before :], labels[given.before :], size) * size
            if training.average and rank.first:
                training.average.update(training.net, step=step)
    return {
        "train_loss": float(rank.summed(total)) / sum(given.sizes),
        "micro_batch": min(recipe.batch_size, stepper.micro_batch * rank.count),
        "data_wait": given.batches.seconds / (time.perf_counter() - started),
    }


def _steps(
    training: Training, recipe: Recipe, given: EpochInput, where: torch.device
) -> Iterator[tuple[int, int, list[Tensor]]]:
    """Rows of the whole batch, the step's number in the training, the tensors; the optimizer has the step's rate."""
    val_losses, steps = [row["val_loss"] for row in training.rows], len(given.sizes)
    batches = zip(given.sizes, on_device(given.batches, where), strict=True)
    for step, (size, batch) in enumerate(batches, start=(given.epoch - 1) * steps + 1):
        rate = learning_rate(recipe, step / (recipe.epochs * steps), val_losses)
        for group in training.optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
        yield size, step, batch


def _seed(seed: str, rank: Rank) -> None:
    """Chance is the same after a resume as without one. Mixing draws on the CPU, alike in all processes that train
    together; dropout on the device, and on GPUs each its own."""
    torch.manual_seed(zlib.crc32(seed.encode()))
    if not rank.first:
        torch.cuda.manual_seed(zlib.crc32(f"{seed} {rank.index}".encode()))
