"""What every loss is: a value for each row, their mean for training, and its own link from logits to probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Loss(ABC):
    """Logits are `(N, K + extra_outputs)`; targets `(N,)` integer labels or `(N, K)` shares.

    Shares of a row sum to 1. Where they do not (SnapMix, rows that weigh more or less), the row's loss is that of its
    shares made to, times their sum: for cross-entropy, the same as the sum over classes of share times loss.
    """

    @property
    def extra_outputs(self) -> int:
        """Outputs that the net has beside one a class, which only the loss sees."""
        return 0

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over rows, a scalar in float32 or better: what is trained."""
        return self.weighted_rows(logits, targets).mean()

    def weighted_rows(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of every row `(N,)`, times the sum of its shares."""
        if targets.dim() == 1:
            return self.by_row(logits, targets)
        shares, weights = shares_and_weights(targets)
        return weights * self.by_row(logits, shares)

    @abstractmethod
    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of every row, `(N,)`; shares sum to 1."""

    @abstractmethod
    def link(self, logits: Tensor) -> Tensor:
        """The probabilities `(N, K)` that this loss trains."""


_ROUNDING = 1e-5
"""A sum so near to 1 is no weight: mixed shares, and float32."""


def shares_and_weights(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Shares `(N, K)` that sum to 1, and what each row weighs, `(N,)`; all zeros where it weighs nothing."""
    weights = targets.sum(-1)
    weights = torch.where((weights - 1.0).abs() < _ROUNDING, 1.0, weights)
    return targets / weights.clamp_min(torch.finfo(weights.dtype).tiny).unsqueeze(-1), weights


def soft_targets(logits: Tensor, targets: Tensor, smoothing: float, classes: int | None = None) -> Tensor:
    """Targets as shares `(N, K)` in the logits' type, smoothed as torch does it: (1 - s) y + s / K.

    `classes` is K where the logits have further outputs.
    """
    count = classes or logits.shape[-1]
    low = smoothing / count
    if targets.dim() == 1:
        flat = logits.new_full((len(targets), count), low)
        return flat.scatter_(1, targets.unsqueeze(1), 1.0 - smoothing + low)
    return targets.to(logits.dtype) * (1.0 - smoothing) + low


def at_least_float32(logits: Tensor) -> Tensor:
    """Losses are computed in float32 or better, whatever autocast says."""
    return logits if logits.element_size() == 8 else logits.float()
