"""What a backbone's name says about the sizes that it takes. Names are timm's; timm itself is not needed."""

from __future__ import annotations

import re

# timm's small ViTs for tests carry no patch size in their names; all have 16 px patches.
_TEST_VIT = re.compile(r"^test_vit\d*$")
_PATCH = re.compile(r"patch(\d+)")


def size_step(backbone: str) -> int:
    """The number (px) that an image size must be a multiple of: the patch side of a ViT, else 1."""
    if _TEST_VIT.match(backbone):
        return 16
    patch = _PATCH.search(backbone)
    return int(patch.group(1)) if patch else 1


def fits(backbone: str, image_size: int) -> bool:
    """Whether a square image of `image_size` px falls on the backbone's patch grid."""
    return image_size % size_step(backbone) == 0
