"""What the next epoch needs, as one safetensors file: tensors as they are, all else as JSON in its header.

One file, renamed into place, so that it is whole or not there. The one before it stays until the next is written: where
the newest is torn or gone, a training goes on from that one and repeats an epoch, bit for bit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from trainables.files import write_whole
from trainables.layout import FoldFolder

_TENSOR, _DICT = "tensor", "dict"


def save_checkpoint(folder: FoldFolder, state: dict[str, Any]) -> None:
    """Write a state of nested dicts, lists, tensors and plain JSON values."""
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_flattened(state, tensors))
    content = to_safetensors(tensors, {"structure": structure})
    if folder.checkpoint.exists():
        folder.checkpoint.replace(folder.earlier_checkpoint)
    write_whole(folder.checkpoint, content)


def load_checkpoint(folder: FoldFolder) -> dict[str, Any] | None:
    """The newest whole state, on the CPU; None where there is none."""
    for path in (folder.checkpoint, folder.earlier_checkpoint):
        state = _load(path) if path.exists() else None
        if state is not None:
            return state
    return None


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            structure = json.loads(file.metadata()["structure"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        print(f"note: {path} is torn ({error}); the one before it is used, where there is one", flush=True)
        return None
    state: dict[str, Any] = _unflattened(structure, tensors)
    return state


def _flattened(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON in the place of `value`, whose tensors are put among `tensors` under running numbers."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {_TENSOR: name}
    if isinstance(value, dict):
        return {_DICT: [[key, _flattened(each, tensors)] for key, each in value.items()]}  # keys may be numbers
    if isinstance(value, list | tuple):
        return [_flattened(each, tensors) for each in value]
    return value


def _unflattened(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unflattened(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    return {key: _unflattened(each, tensors) for key, each in value[_DICT]}
