"""Cross-entropy with label smoothing: torch's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from trainables.losses.loss import Loss, at_least_float32


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """`F.cross_entropy`; its link is softmax."""

    smoothing: float = 0.0

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        logits = at_least_float32(logits)
        targets = targets if targets.dim() == 1 else targets.to(logits.dtype)
        return F.cross_entropy(logits, targets, reduction="none", label_smoothing=self.smoothing)

    def link(self, logits: Tensor) -> Tensor:
        return at_least_float32(logits).softmax(-1)
