"""Two small convolutional stackers on the members' log-probabilities (M, K). The one file of analysis that needs
torch; `methods` imports it when one of the two is fitted.

Classes and members stand in no order, so no kernel looks at neighbours. The 1-D net slides along the classes and sees
all members at one class, with the same weights everywhere: it cannot prefer a class. The 2-D net's first kernels slide
along the members and see all of one member's classes, its second see all members.

Both learn what is to be added to the log of the simple mean, begin at nothing and are held towards it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from analysis.ensemble.method import Blend, Labels, Probs
from analysis.ensemble.stacking import log_probs
from trainables.scores import LEAST

_CHANNELS = 8
_STEPS = 20
_PENALTY_1D, _PENALTY_2D = 10.0, 100.0
"""Of half the squared weights, beside the sum of the rows' losses; the 2-D net has K times as many."""


def fit_1d(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    members = len(pred_probs)
    return _fit(
        lambda: nn.Sequential(
            nn.Conv1d(members, _CHANNELS, 1), nn.Tanh(), nn.Conv1d(_CHANNELS, 1, 1, bias=False), nn.Flatten()
        ),
        pred_probs,
        labels,
        seed,
        _PENALTY_1D,
    )


def fit_2d(pred_probs: Probs, labels: Labels, metric: str, seed: int) -> Blend:
    members, _, n_classes = pred_probs.shape
    return _fit(
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, members)),
            nn.Conv2d(1, _CHANNELS, (1, n_classes)),
            nn.Tanh(),
            nn.Conv2d(_CHANNELS, n_classes, (members, 1)),
            nn.Flatten(),
        ),
        pred_probs,
        labels,
        seed,
        _PENALTY_2D,
    )


def _fit(build: Callable[[], nn.Sequential], pred_probs: Probs, labels: Labels, seed: int, penalty: float) -> Blend:
    net = _begun(build, seed)
    logs, mean, truth = *_inputs(pred_probs), torch.from_numpy(np.asarray(labels, dtype=np.int64))
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        squares = torch.stack([each.square().sum() for each in net.parameters()]).sum()
        value = cross_entropy(mean + net(logs), truth) + penalty / 2 * squares / len(truth)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with _one_thread():
        optimizer.step(loss)  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def stacked(pred_probs: Probs) -> NDArray[np.float64]:
        logs, mean = _inputs(pred_probs)
        probs: NDArray[np.float64] = torch.softmax((mean + net(logs)).double(), 1).numpy()
        return probs

    return stacked


def _begun(build: Callable[[], nn.Sequential], seed: int) -> nn.Sequential:
    """A net whose last layer is zero: it says what the mean says. Torch's own seed stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build()
    last = [module for module in net if isinstance(module, nn.Conv1d | nn.Conv2d)][-1]
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return net


@contextmanager
def _one_thread() -> Iterator[None]:
    """Of tensors so small, two threads are slower than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _inputs(pred_probs: Probs) -> tuple[Tensor, Tensor]:
    """Log-probabilities (n, M, K) and the log of the mean (n, K)."""
    mean = np.log(np.maximum(np.asarray(pred_probs, dtype=np.float64).mean(0), LEAST))
    return torch.from_numpy(log_probs(pred_probs)).float(), torch.from_numpy(mean).float()
