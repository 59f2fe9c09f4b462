"""Batches on the device that trains. A GPU's next batch is copied to it while it is still busy with this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor


def on_device(batches: Iterable[Sequence[Tensor]], where: torch.device) -> Iterator[list[Tensor]]:
    """Each batch's tensors on the device. In pinned memory they come to a GPU one batch ahead."""
    if where.type == "cuda":
        yield from _one_ahead(batches, where)
    else:
        for batch in batches:
            yield [tensor.to(where) for tensor in batch]


def _one_ahead(batches: Iterable[Sequence[Tensor]], where: torch.device) -> Iterator[list[Tensor]]:
    """`batches` are asked one ahead. Copies have their own stream, or each would wait for the step before it."""
    copies = torch.cuda.Stream(where)  # type: ignore[no-untyped-call]
    coming: tuple[list[Tensor], torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(copies):
            copied = [tensor.to(where, non_blocking=True) for tensor in batch]
            done = copies.record_event()
        if coming:
            yield _arrived(*coming)
        coming = (copied, done)
    if coming:
        yield _arrived(*coming)


def _arrived(tensors: list[Tensor], done: torch.cuda.Event) -> list[Tensor]:
    """For the stream that computes, which waits for the copy; the host does not."""
    computes = torch.cuda.current_stream()
    computes.wait_event(done)
    for tensor in tensors:
        tensor.record_stream(computes)  # or its memory would be the next copy's before the step has read it
    return tensors
