"""A folder of pretrained weights: which file is a backbone's. No torch, so that `--weights` is judged in a moment."""

from __future__ import annotations

from pathlib import Path


def weights_file(backbone: str, folder: Path) -> Path:
    """NAME.safetensors, whether it is there or not."""
    return folder / f"{backbone}.safetensors"


def has_weights(backbone: str, folder: Path) -> bool:
    """Whether `folder` holds weights for the backbone."""
    return weights_file(backbone, folder).is_file()
