"""Losses that train on some rows of a batch, picked by another loss."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses.loss import Loss


@dataclass(frozen=True)
class Miner(Loss):
    """Another loss on the rows that `pick` takes of the whole effective batch; it is scored on all rows."""

    inner: Loss

    @property
    def extra_outputs(self) -> int:
        return self.inner.extra_outputs

    @abstractmethod
    def pick(self, rows: Tensor) -> Tensor:
        """The indices of the rows to train on, from every row's loss `(N,)`; at least one."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            kept = self.pick(self.weighted_rows(logits, targets))
        return self.inner(logits[kept], targets[kept])

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.inner.by_row(logits, targets)

    def link(self, logits: Tensor) -> Tensor:
        return self.inner.link(logits)
