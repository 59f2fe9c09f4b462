"""Pretrained weights, read once by a process: a worker begins many trainings with them, and asks no hub twice.

A safetensors file is mapped, so workers of one machine share its memory. timm copies the weights for a moment as it
loads them into a net.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import timm
from timm.models import load_state_dict, load_state_dict_from_hf
from torch import Tensor

Weights = dict[str, Tensor]
"""By name, as timm's models have them; whoever gets them may take names away, but not change a tensor."""

_KEPT = 8
"""Files at a time: one a backbone of the space."""


def weights_of_file(path: Path) -> Weights:
    """Of a safetensors file, read anew where it was written since."""
    status = path.stat()
    return dict(_read(path, status.st_mtime_ns, status.st_size))


def weights_of_timm(backbone: str) -> Weights:
    """Those that timm has for the name, downloaded where the machine has not got them yet."""
    source = timm.get_pretrained_cfg(backbone)
    return dict(_download(source.hf_hub_id, source.hf_hub_filename))


@lru_cache(_KEPT)
def _read(path: Path, _written_ns: int, _size: int) -> Weights:
    weights: Weights = load_state_dict(str(path))  # without the prefixes that wrappers of a net leave in its names
    return weights


@lru_cache(_KEPT)
def _download(repository: str, file: str | None) -> Weights:
    weights: Weights = load_state_dict_from_hf(repository, **({"filename": file} if file else {}))
    return weights
