"""Focal cosine loss: the angle between logits and target, with a little focal loss of the normalised logits.

Kim, Kim, Lee, Song, Park: Data-Efficient Deep Learning Method for Image Classification Using
Data Augmentation, Focal Cosine Loss, and Ensemble, arXiv 2007.07805.

    1 - cos(a, y)  +  weight * focal(softmax(a / |a|), y; gamma)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from trainables.losses.focal import focal
from trainables.losses.loss import Loss, at_least_float32, soft_targets


@dataclass(frozen=True)
class FocalCosine(Loss):
    """Its link is the softmax of the logits divided by their length, the only one that it trains.

    Such probabilities are never sure: with K classes at most e / (e + K - 1). A temperature sharpens them.
    """

    gamma: float
    weight: float
    smoothing: float = 0.0

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        logits = at_least_float32(logits)
        shares = soft_targets(logits, targets, self.smoothing)
        angle = 1.0 - F.cosine_similarity(logits, shares, dim=-1)
        return angle + self.weight * focal(F.normalize(logits, dim=-1).log_softmax(-1), shares, self.gamma)

    def link(self, logits: Tensor) -> Tensor:
        return F.normalize(at_least_float32(logits), dim=-1).softmax(-1)
