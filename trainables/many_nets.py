"""More nets than a GPU has room for: some lie there, each of the others comes for as long as it looks at a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

_OF_THE_ROOM = 0.5
"""What nets may take of it for good. The rest is for one that comes, and for the images on their way through a net."""

Forward = Callable[[Tensor], Tensor]


def settle(nets: Sequence[nn.Module], where: torch.device, room_bytes: float) -> None:
    """Move nets to a device, in their order, as long as half of the room holds them; the others stay where they are."""
    left = _OF_THE_ROOM * room_bytes
    for net in nets:
        left -= sum(tensor.nbytes for _, tensor in _tensors(net))
        if left < 0:
            return
        net.to(where)


def at_once(nets: Sequence[nn.Module], where: torch.device) -> list[list[int]]:
    """Which of them look together: those that lie on the device, and then each other one by itself."""
    settled = [place for place, net in enumerate(nets) if _on(net, where)]
    groups = [settled] if settled else []
    return groups + [[place] for place in range(len(nets)) if place not in settled]


def brought(net: nn.Module, where: torch.device) -> Forward:
    """The net's forward pass on a device. A net that lies elsewhere is copied there for as long as this is held."""
    if _on(net, where):
        return net
    copied = {name: tensor.to(where, non_blocking=True) for name, tensor in _tensors(net)}
    return lambda images: functional_call(net, copied, (images,))


def _on(net: nn.Module, where: torch.device) -> bool:
    return next(net.parameters()).device.type == where.type


def _tensors(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Its parameters and buffers, by name."""
    return chain(net.named_parameters(), net.named_buffers())
