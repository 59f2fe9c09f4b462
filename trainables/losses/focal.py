"""Focal loss: what is nearly right already counts little.

Lin, Goyal, Girshick, He, Dollar: Focal Loss for Dense Object Detection, arXiv 1708.02002, for K exclusive classes:

    - sum_k y_k (1 - p_k)^gamma log p_k       (torchvision's is for K independent sigmoids)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainables.losses.loss import Loss, at_least_float32, soft_targets


@dataclass(frozen=True)
class Focal(Loss):
    """Its link is softmax; gamma = 0 is cross-entropy."""

    gamma: float
    smoothing: float = 0.0

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        log_probs = at_least_float32(logits).log_softmax(-1)
        return focal(log_probs, soft_targets(log_probs, targets, self.smoothing), self.gamma)

    def link(self, logits: Tensor) -> Tensor:
        return at_least_float32(logits).softmax(-1)


def focal(log_probs: Tensor, shares: Tensor, gamma: float) -> Tensor:
    """The focal loss `(N,)` of log-probabilities and targets, both `(N, K)`."""
    if gamma == 0.0:
        return -(shares * log_probs).sum(-1)
    doubt = (-log_probs.expm1()).clamp_min(0.0)  # 1 - p, exact where p is near 1
    # At p = 1 the slope of doubt^gamma is infinite for gamma < 1, times log p = 0; a least doubt keeps it a number.
    return -(shares * doubt.clamp_min(1e-12).pow(gamma) * log_probs).sum(-1)
