"""Bi-tempered logistic loss: robust to wrong labels by two temperatures.

Amid, Warmuth, Anil, Koren: Robust Bi-Tempered Logistic Loss Based on Bregman Divergences, arXiv 1906.03361.

    exp_t(x) = max(0, 1 + (1 - t) x) ^ (1 / (1 - t))      log_t(x) = (x^(1 - t) - 1) / (1 - t)
    link:  p = exp_t2(a - lambda(a)),  lambda such that sum p = 1       (the tempered softmax)
    loss:  sum_k  y_k (log_t1 y_k - log_t1 p_k) - (y_k^(2 - t1) - p_k^(2 - t1)) / (2 - t1)

t1 < 1 bounds the loss, t2 > 1 gives the link heavy tails, t1 = t2 = 1 is cross-entropy with softmax
(with soft targets: the Kullback-Leibler divergence, i.e. cross-entropy less the targets' own entropy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# A bound, not a setting: Newton's steps shrink quadratically and the loop ends when they vanish.
_MOST_STEPS = 30


def _log_normalizer(logits: Tensor, t: float) -> Tensor:
    """lambda (..., 1) such that sum exp_t(logits - lambda) = 1, by Newton's method on the power mean.

    With u = 1 + (1 - t)(a - lambda), M = (sum u^(1/(1-t)))^(1-t) is a power mean of a shifted vector: concave
    and rising in lambda for t > 1, convex and falling for t < 1. Newton's steps from lambda = max(a) therefore
    approach M = 1 from one side and never overshoot; M is nearly linear, so a few steps suffice where the
    paper's fixed-point iteration needs dozens.
    """
    q = 1.0 - t
    shift = logits.max(-1, keepdim=True).values
    centred = logits - shift
    lam = torch.zeros_like(shift)
    for _ in range(_MOST_STEPS):
        log_u = torch.log1p((q * (centred - lam)).clamp_min(-1.0))
        log_mass = torch.logsumexp(log_u / q, -1, keepdim=True)
        ratio = torch.exp(torch.logsumexp(log_u * (t / q), -1, keepdim=True) - log_mass)
        step = torch.expm1(-q * log_mass) / (q * ratio)
        lam = lam - step
        if bool((step.abs() <= torch.finfo(lam.dtype).eps * (1.0 + lam.abs())).all()):
            break
    return lam + shift


def _tempered_softmax(logits: Tensor, t: float) -> Tensor:
    if t == 1.0:
        return logits.softmax(-1)
    q = 1.0 - t
    # log1p keeps the digits that 1 + q x would lose for t near 1.
    log_u = torch.log1p((q * (logits - _log_normalizer(logits, t))).clamp_min(-1.0))
    probs = torch.exp(log_u / q)
    return probs / probs.sum(-1, keepdim=True)


def tempered_softmax(logits: Tensor, t: float) -> Tensor:
    """The loss's link: logits `(N, K)` to probabilities `(N, K)`, rows summing to 1. `t = 1` is softmax.

    Computed in float32 or better whatever autocast says; no gradient flows through it.
    """
    with torch.no_grad():
        return _tempered_softmax(_at_least_float32(logits), t)


class _BiTempered(torch.autograd.Function):
    """Value and analytic gradient in one: g = (p - y) p^(t2 - t1), dL/da = g - escort * sum g."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, t1: float, t2: float) -> Tensor:
        probs = _tempered_softmax(logits, t2)
        tiny = torch.finfo(probs.dtype).tiny
        safe = probs.clamp_min(tiny)
        slope = (probs - targets) * safe.pow(t2 - t1)
        escort = safe.pow(t2)
        escort = escort / escort.sum(-1, keepdim=True)
        ctx.save_for_backward(slope - escort * slope.sum(-1, keepdim=True))
        match = targets * (_log_t(targets.clamp_min(tiny), t1) - _log_t(safe, t1))
        return (match - (targets.pow(2.0 - t1) - probs.pow(2.0 - t1)) / (2.0 - t1)).sum(-1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return grads[0].unsqueeze(-1) * slope, None, None, None


def _log_t(values: Tensor, t: float) -> Tensor:
    if t == 1.0:
        return values.log()
    return torch.expm1((1.0 - t) * values.log()) / (1.0 - t)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def bi_tempered_loss(logits: Tensor, targets: Tensor, t1: float, t2: float, smoothing: float = 0.0) -> Tensor:
    """Mean loss, a scalar. `logits` `(N, K)`; `targets` `(N,)` integer labels or `(N, K)` shares that sum to 1.

    `smoothing` follows torch: y = (1 - s) y + s / K. (The cassava notebooks write
    (1 - s K/(K-1)) onehot + s/(K-1): their s is ours times (K-1)/K.)
    """
    with torch.autocast(device_type=logits.device.type, enabled=False):
        logits = _at_least_float32(logits)
        classes = logits.shape[-1]
        shares = F.one_hot(targets, classes) if targets.dim() == 1 else targets
        shares = shares.to(logits.dtype) * (1.0 - smoothing) + smoothing / classes
        losses: Tensor = _BiTempered.apply(logits, shares, t1, t2)
        return losses.mean()


@dataclass(frozen=True)
class BiTempered:
    """The loss with its temperatures decided, and the link that belongs to it."""

    t1: float
    t2: float
    smoothing: float = 0.0

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean training loss; see `bi_tempered_loss`."""
        return bi_tempered_loss(logits, targets, self.t1, self.t2, self.smoothing)

    def link(self, logits: Tensor) -> Tensor:
        """Logits `(N, K)` to the probabilities `(N, K)` that this loss trains."""
        return tempered_softmax(logits, self.t2)
