"""Taylor cross-entropy: cross-entropy through the Taylor softmax, whose tails are polynomial, not exponential.

Banerjee, Gupta, Vyas, Mishra: Exploring Alternatives to Softmax Function, arXiv 2011.11538.

    p_k = f_n(a_k) / sum_j f_n(a_j),     f_n(x) = 1 + x + x^2/2! + ... + x^n/n!

f_n is positive for even n, but not monotone: below its minimum (x = -1 for n = 2) a smaller logit has a greater
probability. So classes are read off the probabilities, never off the logits. For odd n it is monotone, but negative
below its root, where no probability is defined; there we take exp(x) for every x < 0, which f_n meets at 0 with
n equal derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import torch
from torch import Tensor

from trainables.losses.loss import Loss, at_least_float32, soft_targets


@dataclass(frozen=True)
class TaylorCrossEntropy(Loss):
    """Its link is the Taylor softmax of its order."""

    order: int
    smoothing: float = 0.0

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        log_probs = log_taylor_softmax(at_least_float32(logits), self.order)
        return -(soft_targets(log_probs, targets, self.smoothing) * log_probs).sum(-1)

    def link(self, logits: Tensor) -> Tensor:
        return log_taylor_softmax(at_least_float32(logits), self.order).softmax(-1)  # exp, summing to 1 again


def log_taylor_softmax(logits: Tensor, order: int) -> Tensor:
    """Log-probabilities `(N, K)`; order 1 to 10."""
    if order % 2:
        logs = torch.where(logits > 0, _series(logits.clamp_min(0.0), order).log(), logits)
    else:
        logs = _series(logits, order).log()
    return logs - logs.logsumexp(-1, keepdim=True)


def _series(x: Tensor, order: int) -> Tensor:
    """f_n by Horner's rule."""
    total = torch.full_like(x, 1.0 / factorial(order))
    for power in range(order - 1, -1, -1):
        total = total * x + 1.0 / factorial(power)
    return total
