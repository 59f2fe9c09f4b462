"""What fits at once, remembered for the same backbone, size, precision and device: one trial finds it out for all."""

from __future__ import annotations

from pathlib import Path

import torch

from search_spaces.recipe import Recipe
from trainables.layout import load_json, save_json


def micro_batch(path: Path | None, recipe: Recipe, where: torch.device) -> int:
    """Rows that pass through the net at once: the batch, or what an earlier training found to fit."""
    known = load_json(path) if path and path.exists() else {}
    return min(recipe.batch_size, int(known.get(_key(recipe, where), recipe.batch_size)))


def remember(path: Path | None, recipe: Recipe, where: torch.device, rows: int) -> None:
    """Keep what fits; the last of two trainings that write at once stays, and either is right."""
    if path:
        known = load_json(path) if path.exists() else {}
        save_json(path, {**known, _key(recipe, where): rows})


def _key(recipe: Recipe, where: torch.device) -> str:
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    return f"{recipe.backbone}, {recipe.image_size} px, {recipe.precision}, {name}"
