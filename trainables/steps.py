"""One optimizer step of an effective batch, in as many micro-batches as memory asks for.

The batch size is a recipe's; what fits at once is a machine's. A step that runs out of memory is taken again in
halves, and from then on so are the others. Gradients add up to that of the whole batch, SAM climbs along the whole
batch's gradient, and OUSM and OHEM pick among the whole batch's rows; only BatchNorm, which sees what passes at once,
can tell the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_spaces.recipe import Recipe
from trainables.losses.loss import Loss
from trainables.losses.miner import Miner
from trainables.optimizers import climb, frozen_statistics, go_back
from trainables.precision import autocast


@dataclass
class Stepper:
    """Takes the steps of one training."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    recipe: Recipe
    scaler: torch.amp.GradScaler
    micro_batch: int
    """Rows that pass through the net at once; halved where they do not fit."""
    on_halved: Callable[[int], object] = lambda micro_batch: None

    def step(self, images: Tensor, labels: Tensor, total: int | None = None) -> Tensor:
        """One step on a batch; returns its mean loss. Raises torch's `OutOfMemoryError` where one row does not fit.

        `total` are the rows of the whole batch, where these are one process's part of it.
        """
        while True:
            self.optimizer.zero_grad(set_to_none=True)
            try:
                value = self._gradient(images, labels, total or len(images))
                break
            except torch.OutOfMemoryError:
                if self.micro_batch == 1:
                    raise
            # Outside the handler: the exception holds the failed step's tensors as long as it lives.
            self.micro_batch = (min(self.micro_batch, len(images)) + 1) // 2
            if images.device.type == "cuda":
                torch.cuda.empty_cache()
            self.on_halved(self.micro_batch)
        self.scaler.unscale_(self.optimizer)
        if self.recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return value

    def _gradient(self, images: Tensor, labels: Tensor, total: int) -> Tensor:
        """The gradient that the optimizer is to use, left in the parameters; returns the mean loss where they are."""
        value = self._add_gradient(images, labels, total)
        if not self.recipe.sam_rho:
            return value
        before = climb(self.net.parameters(), self.recipe.sam_rho)  # its direction does not care for the scale
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with frozen_statistics(self.net):
                self._add_gradient(images, labels, total)
        finally:
            go_back(before)
        return value

    def _add_gradient(self, images: Tensor, labels: Tensor, total: int) -> Tensor:
        loss = self.loss
        if isinstance(loss, Miner) and len(images) > self.micro_batch:
            kept = loss.pick(self._rows(images, labels))
            images, labels, loss = images[kept], labels[kept], loss.inner
        mean = torch.zeros((), device=images.device)
        for some, theirs in self._micro_batches(images, labels):
            value = loss(self._logits(some), theirs) * (len(some) / len(images))
            self.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
            mean += value.detach()
        return mean

    @torch.no_grad()
    def _rows(self, images: Tensor, labels: Tensor) -> Tensor:
        with frozen_statistics(self.net):
            parts = self._micro_batches(images, labels)
            return torch.cat([self.loss.weighted_rows(self._logits(some), theirs) for some, theirs in parts])

    def _micro_batches(self, images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for first in range(0, len(images), self.micro_batch):
            yield images[first : first + self.micro_batch], labels[first : first + self.micro_batch]

    def _logits(self, images: Tensor) -> Tensor:
        with autocast(self.recipe, images.device):
            logits: Tensor = self.net(images)
        return logits


def in_parts(compute: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`compute(images)`, whose rows are the images', in halves where memory asks for it."""
    try:
        return compute(images)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    half = (len(images) + 1) // 2
    return torch.cat([in_parts(compute, images[:half]), in_parts(compute, images[half:])])
