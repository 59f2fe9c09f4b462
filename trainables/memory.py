"""What fits at once, remembered for the same backbone, size, precision, device and share of it: one trial finds it out
for all. On a GPU that trials share, each keeps to its own part."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from search_spaces.recipe import Recipe
from trainables.files import load_json, save_json

CONTEXT_BYTES = 3 * 2**28
"""Of a GPU, what a process takes besides its tensors: the CUDA context. Assumed, not measured."""

_LEAST_LEFT = 0.5
"""Of a share, for tensors, however small the share."""


def keep_to_share(share: float) -> None:
    """Let this process's tensors take no more than its share of the GPU, so that who runs beside it loses nothing.

    A training that would take more runs out of memory by itself, and takes its batch in smaller parts.
    """
    if torch.cuda.is_available() and share:
        own = min(share, 1.0)  # of each of several GPUs, all
        context = CONTEXT_BYTES / torch.cuda.get_device_properties(0).total_memory if own < 1.0 else 0.0
        torch.cuda.set_per_process_memory_fraction(max(own - context, _LEAST_LEFT * own))


def room_bytes() -> float:
    """What the tensors of this process may take of its GPU now; without a GPU there is no such limit."""
    if not torch.cuda.is_available():
        return math.inf
    free, total = torch.cuda.mem_get_info()
    return min(free, total * torch.cuda.get_per_process_memory_fraction())


def micro_batch(path: Path | None, recipe: Recipe, where: torch.device, share: float) -> int:
    """Rows that pass through the net at once: the batch, or what an earlier training found to fit."""
    known = load_json(path) if path and path.exists() else {}
    return min(recipe.batch_size, int(known.get(_key(recipe, where, share), recipe.batch_size)))


def remember(path: Path | None, recipe: Recipe, where: torch.device, share: float, rows: int) -> None:
    """Keep what fits; the last of two trainings that write at once stays, and either is right."""
    if path:
        known = load_json(path) if path.exists() else {}
        save_json(path, {**known, _key(recipe, where, share): rows})


def _key(recipe: Recipe, where: torch.device, share: float) -> str:
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    if where.type == "cuda" and 0 < share < 1:
        name = f"{share:g} of {name}"
    return f"{recipe.backbone}, {recipe.image_size} px, {recipe.precision}, {name}"
