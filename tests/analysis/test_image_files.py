"""What data.ipynb shows, on stripes whose sizes, means and labels are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.classes import answered, class_counts, class_figure
from analysis.image_files import (
    brightness_figure,
    image_files,
    normalisation,
    pixel_statistics,
    samples_figure,
    sizes,
    sizes_figure,
)
from analysis.label_noise import (
    duplicate_groups,
    duplicates_verdict,
    noise_by_class,
)
from trainables.data.kaggle import ImageData, load_data


@pytest.fixture
def data(stripes: Path) -> ImageData:
    return replace(load_data(stripes), sources=("old", "new") * 8)


def test_files_are_described_by_their_headers(data: ImageData) -> None:
    Image.new("L", (30, 20)).save(data.train_paths[0], "JPEG")
    files = image_files(data)
    assert files["image_id"].tolist() == list(data.image_ids)
    assert files.iloc[0][["width", "height", "mode", "format", "aspect", "class", "source"]].tolist() == [
        30, 20, "L", "JPEG", 1.5, "across", "old",
    ]  # fmt: skip
    table = sizes(files)
    assert table["images"].tolist() == [15, 1]
    assert table["share"].sum() == 1
    assert len(sizes(files, ["source"])) == 3
    assert len(sizes_figure(files).axes[0].collections[0].get_offsets()) == 2


def test_mean_and_spread_are_those_of_the_pixels(data: ImageData) -> None:
    for path in data.train_paths:
        Image.new("RGB", (16, 16), (255, 0, 51)).save(path)
    pixels = pixel_statistics(data, most=10)
    assert len(pixels) == 10
    table = normalisation(pixels)
    assert table["mean"].tolist() == pytest.approx([1.0, 0.0, 0.2])
    assert table["std"].tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert table["imagenet_mean"].tolist() == [0.485, 0.456, 0.406]
    assert len(brightness_figure(pixels, "source").axes[0].get_yticklabels()) == 2


def test_samples_are_a_row_a_class(data: ImageData) -> None:
    figure = samples_figure(data, per_class=3)
    assert [part.get_suptitle() for part in figure.subfigs] == ["across (8 images)", "down (8 images)"]
    assert sum(len(axes.images) for part in figure.subfigs for axes in part.axes) == 6


def test_classes_are_counted_by_source(data: ImageData) -> None:
    counts = class_counts(data.labels, data.classes, data.sources)
    assert counts[["images", "new", "old"]].to_numpy().tolist() == [[8, 0, 8], [8, 8, 0]]
    assert counts["share"].tolist() == [0.5, 0.5]
    assert len(class_figure(counts, ["old", "new"]).axes[0].patches) == 4
    assert answered(counts, np.array([0] * 49 + [1] * 51))["apart"].tolist() == [False, False]
    assert answered(counts, np.array([0] * 90 + [1] * 10))["apart"].tolist() == [True, True]


def test_known_flips_are_counted_by_class() -> None:
    true = np.repeat([0, 1, 2], 200)
    given = true.copy()
    given[:40] = 1  # of class 0
    probs = np.full((600, 3), 0.05)
    probs[np.arange(600), true] = 0.9
    table = noise_by_class(given, probs, ["a", "b", "c"])
    assert table["wrong"].tolist() == pytest.approx([0, 40 / 240, 0], abs=0.02)
    assert table["likely"].iloc[1] == "a"
    assert table["images"].tolist() == [160, 240, 200]


def images(groups: list[int | None], labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [str(row) for row in range(len(labels))],
            "label": labels,
            "class": [f"class {label}" for label in labels],
            "group": pd.array(groups, dtype="Int64"),
        }
    )


def test_duplicates_that_disagree_come_first() -> None:
    groups = duplicate_groups(images([1, 1, 2, 2, 2, None], [0, 0, 0, 1, 0, 1]))
    assert groups[["group", "images", "labels", "agree"]].to_numpy().tolist() == [
        [2, 3, "class 0, class 1", False], [1, 2, "class 0", True],
    ]  # fmt: skip
    assert "Too little evidence: of so few pairs" in duplicates_verdict(groups)
    assert duplicates_verdict(duplicate_groups(images([None], [0]))).startswith("There are no duplicates")


def test_duplicates_tell_the_share_of_wrong_labels() -> None:
    """A fifth of the labels wrong, among many classes: 32 % of pairs have two labels."""
    pairs = [number // 2 for number in range(200)]
    labels = [0, 1] * 32 + [0, 0] * 68
    assert "20.0% of labels are wrong" in duplicates_verdict(duplicate_groups(images(pairs, labels)))
