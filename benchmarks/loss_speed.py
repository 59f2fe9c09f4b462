"""What the bi-tempered loss costs, beside the usual five-iteration port and cross-entropy, side by side in one run.

python -m benchmarks.loss_speed [--rounds 60] [--threads 1]

Forward and backward of the mean loss on random logits. The port is the way that public PyTorch versions go: the
paper's fixed-point iteration, five times, autograd through powers of the probabilities, and an analytic backward of
the normaliser. Beside the time stands how far each row of probabilities is from summing to 1.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.losses.bi_tempered import bi_tempered_loss, tempered_softmax

SHAPES = ((64, 5), (256, 1000))
T1, T2, SMOOTHING = 0.8, 1.4, 0.05
PORT_ITERATIONS = 5
_SECONDS_A_SAMPLE = 0.01


def port_log(values: Tensor, t: float) -> Tensor:
    return (values.pow(1.0 - t) - 1.0) / (1.0 - t)


def port_exp(values: Tensor, t: float) -> Tensor:
    return torch.relu(1.0 + (1.0 - t) * values).pow(1.0 / (1.0 - t))


class PortNormalizer(torch.autograd.Function):
    """lambda (N, 1) by the paper's fixed-point iteration; its gradient is the escort distribution."""

    @staticmethod
    def forward(ctx, logits, t):  # type: ignore[no-untyped-def]
        highest = logits.max(-1, keepdim=True).values
        start = logits - highest
        moved = start
        for _ in range(PORT_ITERATIONS):
            moved = start * port_exp(moved, t).sum(-1, keepdim=True).pow(1.0 - t)
        lam = highest - port_log(1.0 / port_exp(moved, t).sum(-1, keepdim=True), t)
        ctx.save_for_backward(logits, lam)
        ctx.t = t
        return lam

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        logits, lam = ctx.saved_tensors
        escort = port_exp(logits - lam, ctx.t).pow(ctx.t)
        return grad * escort / escort.sum(-1, keepdim=True), None


def port_probs(logits: Tensor, t: float) -> Tensor:
    return port_exp(logits - PortNormalizer.apply(logits, t), t)


def port_loss(logits: Tensor, labels: Tensor) -> Tensor:
    classes = logits.shape[-1]
    onehot = F.one_hot(labels, classes).to(logits.dtype)
    targets = onehot * (1.0 - SMOOTHING) + SMOOTHING / classes
    probs = port_probs(logits, T2)
    match = targets * (port_log(targets + 1e-10, T1) - port_log(probs, T1))
    return (match - (targets.pow(2.0 - T1) - probs.pow(2.0 - T1)) / (2.0 - T1)).sum(-1).mean()


def sample_s(step: Callable[[], Tensor], logits: Tensor, repeats: int) -> float:
    """Seconds of one forward and backward, a mean of `repeats`."""
    started = time.perf_counter()
    for _ in range(repeats):
        logits.grad = None
        step().backward()  # type: ignore[no-untyped-call]
    return (time.perf_counter() - started) / repeats


def measure(rows: int, classes: int, rounds: int) -> None:
    """Print one shape's table: the losses take turns, so that what else the machine does falls on all alike."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, classes, generator=generator, requires_grad=True)
    labels = torch.randint(0, classes, (rows,), generator=generator)
    steps: dict[str, Callable[[], Tensor]] = {
        "cross-entropy": lambda: F.cross_entropy(logits, labels, label_smoothing=SMOOTHING),
        "port": lambda: port_loss(logits, labels),
        "ours": lambda: bi_tempered_loss(logits, labels, T1, T2, SMOOTHING),
    }
    off = {
        "port": float((port_probs(logits.detach(), T2).sum(-1) - 1).abs().max()),
        "ours": float((tempered_softmax(logits.detach(), T2).sum(-1) - 1).abs().max()),
    }
    repeats = {name: max(1, round(_SECONDS_A_SAMPLE / sample_s(step, logits, 3))) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(sample_s(step, logits, repeats[name]))
    print(f"\n({rows}, {classes})  t1 {T1}, t2 {T2}, smoothing {SMOOTHING}, n = {rounds} rounds")
    for name, own in times.items():
        ratios = [mine / ports for mine, ports in zip(own, times["port"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        error = f"   max |sum p - 1| {off[name]:.1e}" if name in off else ""
        print(
            f"  {name:14s} {1e6 * statistics.median(own):9.0f} us   of the port {middle:.3f} "
            f"(quartiles {low:.3f}-{high:.3f}){error}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loss_speed", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {flags.threads} threads")
    for rows, classes in SHAPES:
        measure(rows, classes, flags.rounds)


if __name__ == "__main__":
    main()
