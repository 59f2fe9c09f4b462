"""Gambler's loss: the net may keep a part of its stake instead of betting on a label that it does not believe.

Liu, Wang, Liang, Salakhutdinov, Morency, Ueda: Deep Gamblers, arXiv 1907.00208; for noisy labels, Liu et al.:
Learning Not to Learn in the Presence of Noisy Labels, arXiv 2002.06541.

    - sum_k y_k log(o p_k + p_K+1),       p = softmax over K classes and the reservation; reward o in (1, K]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses.loss import Loss, at_least_float32, soft_targets


@dataclass(frozen=True)
class Gamblers(Loss):
    """The last output is the reservation, which no prediction shows: the link is softmax over the classes."""

    reward: float
    smoothing: float = 0.0

    @property
    def extra_outputs(self) -> int:
        return 1

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        log_probs = at_least_float32(logits).log_softmax(-1)
        bets, reservation = log_probs[:, :-1] + math.log(self.reward), log_probs[:, -1:]
        shares = soft_targets(log_probs, targets, self.smoothing, classes=bets.shape[-1])
        return -(shares * torch.logaddexp(bets, reservation)).sum(-1)

    def link(self, logits: Tensor) -> Tensor:
        return at_least_float32(logits)[:, :-1].softmax(-1)
