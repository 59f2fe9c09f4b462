"""Symmetric cross-entropy: beside CE, the reverse one, in which a wrong label costs no more than a constant.

Wang, Ma, Chen, Luo, Yi, Bailey: Symmetric Cross Entropy for Robust Learning with Noisy Labels, arXiv 1908.06112.

    alpha * CE(y, p) + beta * RCE(y, p),    RCE = - sum_k p_k log y_k,  log 0 taken as log 1e-4 (the authors' code)
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainables.losses.loss import Loss, at_least_float32, soft_targets

LEAST_TARGET = 1e-4
"""A target is never taken as smaller than this inside the reverse logarithm."""


@dataclass(frozen=True)
class SymmetricCrossEntropy(Loss):
    """Its link is softmax."""

    alpha: float
    beta: float
    smoothing: float = 0.0

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        log_probs = at_least_float32(logits).log_softmax(-1)
        shares = soft_targets(log_probs, targets, self.smoothing)
        forward = -(shares * log_probs).sum(-1)
        reverse = -(log_probs.exp() * shares.clamp_min(LEAST_TARGET).log()).sum(-1)
        return self.alpha * forward + self.beta * reverse

    def link(self, logits: Tensor) -> Tensor:
        return at_least_float32(logits).softmax(-1)
