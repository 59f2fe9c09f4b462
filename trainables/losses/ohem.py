"""OHEM: only the rows of a batch with the greatest loss are trained on.

Shrivastava, Gupta, Girshick: Training Region-based Object Detectors with Online Hard Example Mining, arXiv 1604.03540.
The opposite of OUSM: with wrong labels among the hardest rows it trains on those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses.loss import Loss


@dataclass(frozen=True)
class Ohem(Loss):
    """Another loss on the share `keep` in (0, 1] of a batch's rows that lose most, at least one."""

    inner: Loss
    keep: float

    @property
    def extra_outputs(self) -> int:
        return self.inner.extra_outputs

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            rows = self.by_row(logits, targets)
        kept = rows.topk(math.ceil(self.keep * len(rows))).indices
        return self.inner(logits[kept], targets[kept])

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.inner.by_row(logits, targets)

    def link(self, logits: Tensor) -> Tensor:
        return self.inner.link(logits)
