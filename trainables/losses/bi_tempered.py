"""Bi-tempered logistic loss: robust to wrong labels by two temperatures.

Amid, Warmuth, Anil, Koren: Robust Bi-Tempered Logistic Loss Based on Bregman Divergences, arXiv 1906.03361.

    exp_t(x) = max(0, 1 + (1 - t) x) ^ (1 / (1 - t))      log_t(x) = (x^(1 - t) - 1) / (1 - t)
    link:  p = exp_t2(a - lambda(a)),  lambda such that sum p = 1       (the tempered softmax)
    loss:  D(y, p) = sum_k  y_k (log_t1 y_k - log_t1 p_k) - (y_k^(2 - t1) - p_k^(2 - t1)) / (2 - t1)

t1 < 1 bounds the loss, t2 > 1 gives the link heavy tails. With t1 = t2 = 1 the divergence D is cross-entropy less
the targets' own entropy, a constant without a gradient; there the value is cross-entropy, as torch's and as the
paper's reference implementation has it (github.com/google/bi-tempered-loss, whose test values the tests hold).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from trainables.losses.loss import Loss, at_least_float32, shares_and_weights, soft_targets

# A bound, not a setting: Newton's steps shrink quadratically and the loop ends when they no longer help.
_MOST_STEPS = 50

_STEPS_UNASKED = 8
"""Where nobody looks: enough for t from 0.5 to 5, up to 30,000 classes, and logits of any size."""


def _looks(logits: Tensor) -> bool:
    """Whether to ask after each step if it is enough: a GPU that is asked runs out of work meanwhile."""
    return logits.is_cpu


def _log_link(logits: Tensor, t: float) -> Tensor:
    """Log-probabilities (..., K) of the tempered softmax, by Newton's method on the power mean.

    With u = 1 + (1 - t)(a - lambda) and p = u^(1/(1-t)), M = (sum p)^(1-t) is a power mean of a shifted vector:
    concave and rising in lambda for t > 1, convex and falling for t < 1. Newton's steps from too small a lambda
    therefore approach M = 1 from one side, that of too much mass, and never overshoot; M is nearly linear, so a few
    steps suffice where the paper's fixed-point iteration needs dozens. The last step is taken in log p itself, to
    first order: its error is the square of what was left, and no rounding of lambda comes between.
    """
    if t == 1.0:
        return logits.log_softmax(-1)
    # A tensor, since a Python number is converted anew by every operation; filled, since a copy would wait for a GPU.
    q = logits.new_full((), 1.0 - t)
    precision = torch.finfo(logits.dtype)
    scaled = (logits - logits.amax(-1, keepdim=True)).mul_(q)
    shift = _first_shift(scaled, t)  # (1 - t)(lambda - max a)
    one, before, looks = torch.ones_like(q), math.inf, _looks(logits)
    for number in range(_MOST_STEPS if looks else _STEPS_UNASKED):
        u = scaled - shift
        if t < 1.0:
            u.clamp_min_(precision.eps - 1.0)  # outside the support the probability is taken as tiny
        log_probs = u.log1p().div_(q)  # log1p keeps the digits that log(u) would lose for t near 1
        u.add_(one)
        probs = log_probs.exp()
        mass = probs.sum(-1, keepdim=True)
        step = (mass.log() * -q).expm1_().mul_(mass).div_(probs.div_(u).sum(-1, keepdim=True))
        if number and looks:  # the first step is hardly ever the last, and looking costs as much as computing
            excess = mass.amax().item() - 1.0
            if not 0.1 * math.sqrt(precision.eps) < excess < before:  # near enough, or as near as rounding lets; or NaN
                break
            before = excess
        shift = shift - step
    return log_probs.addcdiv_(step.div_(q), u)


def _first_shift(scaled: Tensor, t: float) -> Tensor:
    """Where Newton starts, on the side of too much mass: lambda = max(a), or M's asymptote where that is nearer.

    For t > 1 the concave M lies below its asymptote K^(1-t) (1 + mean - shift), whose root is thus a safe start.
    With K^(t-1) near 1 it lies beyond max(a) for most logits, and is not worth its cost.
    """
    reach = scaled.shape[-1] ** (t - 1.0)
    if reach < 2.0:  # t < 1 too
        return scaled.new_zeros(*scaled.shape[:-1], 1)
    return scaled.mean(-1, keepdim=True).add_(1.0 - reach).clamp_max_(0.0)


def tempered_softmax(logits: Tensor, t: float) -> Tensor:
    """The loss's link: logits `(N, K)` to probabilities `(N, K)`, rows summing to 1. `t = 1` is softmax.

    Computed in float32 or better whatever autocast says; no gradient flows through it.
    """
    with torch.no_grad():
        probs = _log_link(at_least_float32(logits), t).exp()
        return probs / probs.sum(-1, keepdim=True)  # torch's own softmax is off by 2e-6 at 30,000 classes


def _parts(log_probs: Tensor, probs: Tensor, targets: Tensor, t1: float) -> Tensor:
    """(N, K) whose row sums, divided by `_scale(t1)`, are D(y, p) up to what depends on y alone."""
    tail = log_probs if t1 == 1.0 else (log_probs * (1.0 - t1)).expm1_()
    return torch.sub(targets, probs, alpha=(1.0 - t1) / (2.0 - t1)).mul_(tail)


def _scale(t1: float) -> float:
    return -1.0 if t1 == 1.0 else t1 - 1.0


class _BiTempered(torch.autograd.Function):
    """D(y, p), a mean over rows, and its gradient, in one pass over log p; `own` is what depends on y alone.

    With tail = log_t1 p and sum p = 1:  D = sum tail (p (1 - t1) / (2 - t1) - y)  up to what depends on y alone;
    dD/da = slope - escort sum slope,  slope = (p - y) p^(t2 - t1),  escort = p^t2 / sum p^t2.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, targets: Tensor, t1: float, t2: float, own: float | Tensor, weights: Tensor | None
    ) -> Tensor:
        log_probs = _log_link(logits, t2)
        probs = log_probs.exp()
        slope = (log_probs * (t2 - t1)).exp_().mul_(probs - targets)
        escort = probs if t2 == 1.0 else (log_probs * t2).exp_()
        share = slope.sum(-1, keepdim=True).div_(escort.sum(-1, keepdim=True))
        slope.addcmul_(escort, share, value=-1.0).div_(len(logits))
        parts = _parts(log_probs, probs, targets, t1)
        if weights is not None:
            slope, parts = slope.mul_(weights.unsqueeze(-1)), parts.mul_(weights.unsqueeze(-1))
        ctx.save_for_backward(slope)
        return parts.sum().div_(_scale(t1) * len(logits)).add_(own)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        (slope,) = ctx.saved_tensors
        return slope * grads[0], None, None, None, None, None


def _log_t(values: Tensor, t: float) -> Tensor:
    return values.log() if t == 1.0 else torch.expm1((1.0 - t) * values.log()) / (1.0 - t)


def _own_part(targets: Tensor, t1: float) -> Tensor:
    """The part of D(y, p) that depends on the targets (..., K) alone, for each row; zero for one-hot ones."""
    least = targets.clamp_min(torch.finfo(targets.dtype).tiny)
    power = 2.0 - t1
    return (targets * _log_t(least, t1)).sum(-1) + (1.0 - targets.pow(power).sum(-1)) / power


@lru_cache
def _own_part_of_labels(classes: int, t1: float, smoothing: float) -> float:
    """`_own_part` of one smoothed label, which is every label's."""
    target = torch.full((classes,), smoothing / classes, dtype=torch.float64)
    target[0] += 1.0 - smoothing
    return float(_own_part(target, t1))


def bi_tempered_loss(
    logits: Tensor, targets: Tensor, t1: float, t2: float, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Mean loss, a scalar, in float32 or better. `logits` `(N, K)`; `targets` `(N,)` integer labels or `(N, K)` shares.

    Shares sum to 1; `weights` `(N,)` of rows belong to shares and multiply the rows' losses, whose sum is divided by N.

    `smoothing` follows torch: y = (1 - s) y + s / K. (The paper's reference and the cassava notebooks write
    (1 - s K/(K-1)) onehot + s/(K-1): their s is ours times (K-1)/K; see `Recipe.smoothing`.)
    """
    logits = at_least_float32(logits)
    shares = soft_targets(logits, targets, smoothing)
    own = _own(shares, targets, t1, t2, smoothing)
    if not isinstance(own, float):
        own = (own if weights is None else own * weights).mean()
    loss: Tensor = _BiTempered.apply(logits, shares, t1, t2, own, weights)
    return loss


def _own(shares: Tensor, targets: Tensor, t1: float, t2: float, smoothing: float) -> float | Tensor:
    """What depends on the targets alone: one number for labels, since all have the same; `(N,)` for soft targets."""
    if t1 == t2 == 1.0:
        return 0.0
    return _own_part_of_labels(shares.shape[-1], t1, smoothing) if targets.dim() == 1 else _own_part(shares, t1)


@dataclass(frozen=True)
class BiTempered(Loss):
    """The loss with its temperatures decided, and the link that belongs to it."""

    t1: float
    t2: float
    smoothing: float = 0.0

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean training loss; see `bi_tempered_loss`."""
        shares, weights = (targets, None) if targets.dim() == 1 else shares_and_weights(targets)
        return bi_tempered_loss(logits, shares, self.t1, self.t2, self.smoothing, weights)

    def by_row(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss `(N,)` of every row, without a gradient."""
        with torch.no_grad():
            logits = at_least_float32(logits)
            shares, log_probs = soft_targets(logits, targets, self.smoothing), _log_link(logits, self.t2)
            parts = _parts(log_probs, log_probs.exp(), shares, self.t1)
            own = _own(shares, targets, self.t1, self.t2, self.smoothing)
            return parts.sum(-1).div_(_scale(self.t1)).add_(own)

    def link(self, logits: Tensor) -> Tensor:
        """Logits `(N, K)` to the probabilities `(N, K)` that this loss trains."""
        return tempered_softmax(logits, self.t2)
