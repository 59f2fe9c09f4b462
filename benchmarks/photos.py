"""Photos that are made, for benchmarks of what reads photos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def made_photos(folder: Path, count: int) -> None:
    """Coarse shapes under fine grain, which JPEG makes as large as it makes a photo."""
    folder.mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = cv2.resize(
            rng.integers(0, 256, (30, 40, 3), dtype=np.uint8), (800, 600), interpolation=cv2.INTER_CUBIC
        )
        grain = cv2.GaussianBlur(rng.normal(0, 30, (600, 800, 3)), (0, 0), 0.8)
        cv2.imwrite(str(folder / f"{number}.jpg"), np.clip(coarse + grain, 0, 255).astype(np.uint8))
