"""`--data digits`: scikit-learn's 1,797 digit images in the Kaggle layout, with a known share of wrong labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from trainables.data import kaggle

FLIPPED_SHARE = 0.2
TEST_SHARE = 0.3
TRUE_LABELS = "true_labels.csv"
"""`image_id,label` of all images as they truly are. Only the final report opens it."""


def flip_labels(labels: NDArray[np.int64], share: float, n_classes: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A copy of `labels` (N,) in which exactly round(share * N) are another class, drawn evenly."""
    flipped = labels.copy()
    chosen = rng.choice(len(labels), size=round(share * len(labels)), replace=False)
    flipped[chosen] = (labels[chosen] + rng.integers(1, n_classes, size=len(chosen))) % n_classes
    return flipped


def write_digits(root: Path, seed: int) -> None:
    """Write the digits to `root`: the test split and the flips depend on `seed` alone."""
    from sklearn.datasets import load_digits  # here, since it is slow to import and a worker has its data already
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.round(digits.images * (255.0 / 16.0)).astype(np.uint8)  # (1797, 8, 8)
    labels = digits.target.astype(np.int64)
    names = np.array([f"digit_{number:04d}.png" for number in range(len(labels))])
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=seed, shuffle=True
    )
    train, test = np.sort(train), np.sort(test)
    given = flip_labels(labels[train], FLIPPED_SHARE, 10, np.random.default_rng(seed))

    for folder, rows in ((kaggle.TRAIN_IMAGES, train), (kaggle.TEST_IMAGES, test)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for row in rows:
            Image.fromarray(images[row]).save(root / folder / names[row])
    kaggle.write_tables(root, names[train], given, names[test], [f"digit {digit}" for digit in range(10)])
    pd.DataFrame({"image_id": names, "label": labels}).to_csv(root / TRUE_LABELS, index=False)
