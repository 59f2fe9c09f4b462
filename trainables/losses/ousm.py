"""OUSM: the rows of a batch with the greatest loss are left out, since their labels are the likeliest to be wrong.

Xue, Dou, Shi, Chen, Heng: Robust Learning at Noisy Labeled Medical Images, arXiv 1901.07759 (online uncertainty
sample mining).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses.loss import Loss


@dataclass(frozen=True)
class Ousm(Loss):
    """Another loss without the `drop` greatest rows of a batch; a batch keeps at least one row."""

    inner: Loss
    drop: int

    @property
    def extra_outputs(self) -> int:
        return self.inner.extra_outputs

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            rows = self.by_row(logits, targets)
        kept = rows.topk(max(1, len(rows) - self.drop), largest=False).indices
        return self.inner(logits[kept], targets[kept])

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.inner.by_row(logits, targets)

    def link(self, logits: Tensor) -> Tensor:
        return self.inner.link(logits)
