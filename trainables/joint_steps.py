"""A step that several processes take together: one's part of it.

Each passes its rows of the batch through the net in as many micro-batches as the others, since BatchNorm meets them in
every pass. Losses are weighted so that the mean of the processes' gradients is the gradient of the whole batch.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from search_spaces.recipe import Recipe
from trainables.losses.loss import Loss
from trainables.losses.miner import Miner
from trainables.losses.of_recipe import loss_of
from trainables.memory import micro_batch, remember
from trainables.ranks import ALONE, Rank
from trainables.setting import Setting
from trainables.steps import Stepper


@dataclass
class JointStepper(Stepper):
    """Its net is what `Rank.joined` gives; images and labels are the rows that `Rank.rows` gives of a batch."""

    rank: Rank = ALONE

    def _add_gradient(self, images: Tensor, labels: Tensor, total: int) -> Tensor:
        """Returns this process's part of the mean loss: the parts of all processes add up to it."""
        assert isinstance(self.net, DistributedDataParallel)
        loss, rows, counted = self._counting(images, labels, total)
        parts = list(self._micro_batches(images, labels))
        value, first = torch.zeros((), device=images.device), 0
        for some, theirs in parts:
            last = first + len(some) == len(images)
            with nullcontext() if last else self.net.no_sync():
                own = [row - first for row in rows if first <= row < first + len(some)]
                part = _mean(loss, self._logits(some), theirs, own) * (len(own) / counted)
                self.scaler.scale(part * self.rank.count).backward()  # type: ignore[no-untyped-call]
            value += part.detach()
            first += len(some)
        return value

    def _counting(self, images: Tensor, labels: Tensor, total: int) -> tuple[Loss, list[int], int]:
        """The loss, which of these rows it counts, and how many of the whole batch's.

        Where a miner picks them, the host has to wait for a GPU once a pass: how many of a micro-batch's rows count is
        the shape of what their loss is computed on, and each process's differs.
        """
        first = self.rank.index * len(images)
        here = range(first, min(total, first + len(images)))
        if not isinstance(self.loss, Miner):
            return self.loss, [place - first for place in here], total
        picked = self.loss.pick(self.rank.gathered(self._rows(images, labels))[:total]).tolist()
        return self.loss.inner, sorted(place - first for place in picked if place in here), len(picked)


def _mean(loss: Loss, logits: Tensor, labels: Tensor, rows: list[int]) -> Tensor:
    """Over some rows; over none it is zero, with a gradient of zeros that the other processes wait for."""
    if len(rows) == len(logits):
        return loss(logits, labels)
    return loss(logits[rows], labels[rows]) if rows else logits[:0].float().sum()


def stepper_of(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    recipe: Recipe,
    setting: Setting,
    where: torch.device,
    rank: Rank,
) -> Stepper:
    """Takes the steps of a recipe alone or with others, beginning with what an earlier training found to fit."""
    fits = rank.least(micro_batch(setting.micro_batches, recipe, where, setting.gpu_share))

    def on_halved(rows: int) -> None:
        remember(setting.micro_batches, recipe, where, setting.gpu_share, rows)
        print(_halved(recipe, rows), flush=True)
        if rank.count > 1:  # the others are in the midst of the step, and cannot take it again
            raise torch.OutOfMemoryError("A process that trains with others ran out of memory; all begin again")

    parts = (optimizer, loss_of(recipe), recipe, scaler, fits, on_halved)
    return Stepper(net, *parts) if rank.count == 1 else JointStepper(net, *parts, rank)


def _halved(recipe: Recipe, rows: int) -> str:
    return (
        f"note: a batch of {recipe.batch_size} does not fit in memory with {recipe.backbone} at {recipe.image_size} px;"
        f" its gradient is now added up over micro-batches of {rows}"
    )
