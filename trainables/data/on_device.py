"""Batches on the device that trains. A GPU's next batch is copied to it while it is still busy with this one.

The host hands a GPU its work and is soon done, long before the GPU is: it reads and sends the next batch meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor


def on_device(batches: Iterable[Sequence[Tensor]], where: torch.device) -> Iterator[list[Tensor]]:
    """Each batch's tensors on the device. To a GPU, in pinned memory, they are copied beside the step before."""
    if where.type == "cuda":
        yield from _beside_steps(batches, where)
    else:
        for batch in batches:
            yield [tensor.to(where) for tensor in batch]


def sent(tensor: Tensor, where: torch.device) -> Tensor:
    """A tensor of the CPU on the device, without that the host waits until a GPU has come so far."""
    return (tensor.pin_memory() if where.type == "cuda" else tensor).to(where, non_blocking=True)


def _beside_steps(batches: Iterable[Sequence[Tensor]], where: torch.device) -> Iterator[list[Tensor]]:
    """Each at once, before the next is asked for. Copies have their own stream, or each would wait for the steps."""
    copies = torch.cuda.Stream(where)  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.cuda.stream(copies):
            copied = [tensor.to(where, non_blocking=True) for tensor in batch]
            done = copies.record_event()
        yield _arrived(copied, done)


def _arrived(tensors: list[Tensor], done: torch.cuda.Event) -> list[Tensor]:
    """For the stream that computes, which waits for the copy; the host does not."""
    computes = torch.cuda.current_stream()
    computes.wait_event(done)
    for tensor in tensors:
        tensor.record_stream(computes)  # or its memory would be the next copy's before the step has read it
    return tensors
