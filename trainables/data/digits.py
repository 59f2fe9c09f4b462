"""`--data digits`: scikit-learn's 1,797 digit images in the Kaggle layout, with a known share of wrong labels."""

from __future__ import annotations

import json
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
    _write_table(root / kaggle.TRAIN_CSV, names[train], given)
    _write_table(root / kaggle.SAMPLE, names[test], np.zeros(len(test), dtype=np.int64))
    _write_table(root / TRUE_LABELS, names, labels)
    (root / kaggle.LABEL_MAP).write_text(json.dumps({str(digit): f"digit {digit}" for digit in range(10)}))


def _write_table(path: Path, names: NDArray[np.str_], labels: NDArray[np.int64]) -> None:
    pd.DataFrame({"image_id": names, "label": labels}).to_csv(path, index=False)
