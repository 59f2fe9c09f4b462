"""Several processes that train one net together, each on its part of every batch and on a GPU of its own.

torch's DistributedDataParallel averages their gradients; what else they share goes through a `Rank`. Who starts the
processes and torch's process group does not matter here: `cluster/several_gpus.py` has Ray Train do it.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from trainables.backbones import Net

PATIENCE = timedelta(days=1)
"""Of the processes for each other: they wait while one scores. Whether one has died is for who started them to see."""


@dataclass(frozen=True)
class Rank:
    """Which of the processes that train a net together this one is; the only one is the first of one."""

    index: int = 0
    count: int = 1
    group: dist.ProcessGroup | None = None
    """For tensors on the device that trains; None is the default group, which is for those on the CPU."""

    @property
    def first(self) -> bool:
        """The one that scores the net and writes."""
        return self.index == 0

    def rows(self, batch: Sequence[int], before: int = 0) -> list[int]:
        """This process's rows of a batch, in order: as many as every other's.

        Where the batch does not divide, the last ones are rows from its beginning, which make up the number and do not
        count. So many rows `before` its own stand in front; the batch's last comes before its first.
        """
        each = -(-len(batch) // self.count)
        places = range(self.index * each - before, (self.index + 1) * each)
        return [batch[place % len(batch)] for place in places]

    def tell(self, said: dict[str, Any] | None = None) -> dict[str, Any]:
        """To be called by all: what the first says, as JSON holds it. The others wait as long as it takes."""
        if self.count == 1:
            return said or {}
        content = bytearray(json.dumps(said).encode())
        length = torch.tensor(len(content))
        dist.broadcast(length, 0)
        text = (
            torch.frombuffer(content, dtype=torch.uint8) if self.first else torch.empty(int(length), dtype=torch.uint8)
        )
        dist.broadcast(text, 0)
        heard: dict[str, Any] = json.loads(text.numpy().tobytes())
        return heard

    def least(self, value: int) -> int:
        """To be called by all: the least of their values."""
        least = torch.tensor(value)
        if self.count > 1:
            dist.all_reduce(least, dist.ReduceOp.MIN)
        return int(least)

    def summed(self, value: Tensor) -> Tensor:
        """To be called by all: the sum of their values on the device that trains."""
        if self.count > 1:
            dist.all_reduce(value, group=self.group)
        return value

    def gathered(self, rows: Tensor) -> Tensor:
        """To be called by all, each with `(n, ...)`: what all have, `(count * n, ...)`, in the order of a batch."""
        parts = [torch.empty_like(rows) for _ in range(self.count)]
        dist.all_gather(parts, rows, group=self.group)
        return torch.cat(parts)

    @contextmanager
    def joined(self, net: Net) -> Iterator[nn.Module]:
        """To be called by all: the net as an epoch trains it, with the mean of all processes' gradients.

        It begins with the first one's weights. On a GPU BatchNorm normalises by the rows of all processes and
        remembers those, as one process does with the whole batch; torch has that for GPUs only, and on a CPU each
        normalises by its own. Afterwards the net is as it was built, for whoever scores and saves it.
        """
        if self.count == 1:
            yield net
            return
        on_gpu = next(net.parameters()).is_cuda
        with synchronized(net, self.group) if on_gpu and not net.freeze_bn else nullcontext():
            yield DistributedDataParallel(net, process_group=self.group)


@contextmanager
def synchronized(net: nn.Module, group: dist.ProcessGroup | None) -> Iterator[None]:
    """BatchNorm layers have stand-ins that normalise by the rows of all processes and hold the same tensors."""
    norms = [
        (parent, name, child)
        for parent in net.modules()
        for name, child in parent.named_children()
        if isinstance(child, _BatchNorm)
    ]
    convert_sync_batchnorm(net, group)  # torch's own would lose the activations that timm puts into norms
    try:
        yield
    finally:
        for parent, name, norm in norms:
            setattr(parent, name, norm)


ALONE = Rank()


def rank_here() -> Rank:
    """This process's place in torch's process group, whose tensors are on the CPU; GPUs get one of NCCL's beside it."""
    if not dist.is_initialized():
        return ALONE
    group: Any = dist.new_group(backend="nccl") if torch.cuda.is_available() else None
    return Rank(dist.get_rank(), dist.get_world_size(), group)


def rank_under_torchrun() -> Rank:
    """This process's place among those that torchrun started on this machine, each with its own GPU, if it did."""
    if "TORCHELASTIC_RUN_ID" in os.environ and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("gloo", timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)
    return rank_here()
