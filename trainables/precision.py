"""In which numbers a net computes: torch's autocast, and loss scaling where float16 needs it.

Weights, losses and optimizer stay in float32 whatever is asked for (arXiv 1710.03740).
"""

from __future__ import annotations

import torch

from search_spaces.recipe import Recipe

_OF_NAME = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def dtype_of(recipe: Recipe, where: torch.device) -> torch.dtype:
    """Of the net's matrix products. `auto` is bfloat16 on GPUs that have it, float16 on older ones, else float32."""
    if recipe.precision != "auto":
        return _OF_NAME[recipe.precision]
    if where.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def autocast(recipe: Recipe, where: torch.device) -> torch.autocast:
    """The context in which the recipe's net is called."""
    dtype = dtype_of(recipe, where)
    return torch.autocast(where.type, dtype, enabled=dtype is not torch.float32)


def scaler_of(recipe: Recipe, where: torch.device) -> torch.amp.GradScaler:
    """Keeps float16's small gradients from vanishing, and skips steps whose gradient overflows; else does nothing."""
    return torch.amp.GradScaler(where.type, enabled=dtype_of(recipe, where) is torch.float16)
