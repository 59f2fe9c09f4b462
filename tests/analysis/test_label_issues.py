"""Suspicious labels from an oof.csv whose flips are known, with their pictures."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.label_issues import SHOWN, gallery, pairs, write_label_issues
from trainables import label_quality
from trainables.data.kaggle import ImageData, load_data
from trainables.files import load_json, write_whole
from trainables.layout import SearchFolder

FLIPPED = (2, 5, 31, 100)


@pytest.fixture
def data(many_stripes: Path) -> ImageData:
    return load_data(many_stripes)


@pytest.fixture
def search(data: ImageData, tmp_path: Path) -> SearchFolder:
    """An OUT with the out-of-fold predictions of nets that know the truth, less sure the later an image is."""
    search = SearchFolder(tmp_path / "OUT")
    rows = np.arange(len(data.labels))
    given = data.labels.copy()
    given[list(FLIPPED)] = 1 - given[list(FLIPPED)]
    sure = 0.95 - 0.001 * rows
    table = pd.DataFrame({"image_id": data.image_ids, "label": given, "fold": rows % 5, "prediction": data.labels})
    for k in range(2):
        table[f"p{k}"] = np.where(data.labels == k, sure, 1 - sure)
    write_whole(search.oof, table.to_csv(index=False))
    return search


def test_known_flips_are_listed_worst_first(search: SearchFolder, data: ImageData) -> None:
    found = write_label_issues(search, data)
    table = pd.read_csv(search.label_issues)
    assert table["image_id"].tolist() == [data.image_ids[row] for row in FLIPPED]
    assert table.columns.tolist() == ["image_id", "fold", "given", "likely", "quality", "p_given", "p_likely"]
    assert table["fold"].tolist() == [row % 5 for row in FLIPPED]
    assert (table["given"] != table["likely"]).all()
    assert table["likely"].tolist() == data.labels[list(FLIPPED)].tolist()
    np.testing.assert_allclose(table["quality"], table["p_given"])
    np.testing.assert_allclose(table["p_given"] + table["p_likely"], 1.0)
    assert found is not None
    assert (found["count"], found["images"]) == (4, 200)
    assert found["wrong_share"] == pytest.approx(4 / 200, abs=0.015)  # an estimate
    assert 0.0 <= found["expected_right"] < 0.2
    assert found["pairs"] == {"classes": ["across", "down"], "counts": [[0, 2], [2, 0]], "left_out": 0}


def test_the_gallery_has_pictures_and_names(search: SearchFolder, data: ImageData) -> None:
    write_label_issues(search, data)
    shown = load_json(search.label_gallery)
    assert [each["image_id"] for each in shown] == [data.image_ids[row] for row in FLIPPED]
    assert {each["given"] for each in shown} == {"across", "down"}
    with Image.open(io.BytesIO(base64.b64decode(shown[0]["jpeg"]))) as image:
        assert image.size == (16, 16)


def test_pictures_are_small_and_few(data: ImageData) -> None:
    rng = np.random.default_rng(0)
    for image_id in data.image_ids[:SHOWN]:
        noise = rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)
        Image.fromarray(noise).save(data.root / "train_images" / image_id)
    ids = list(data.image_ids[:SHOWN])
    table = pd.DataFrame({"image_id": ids, "given": 0, "likely": 1, "p_given": 0.1, "p_likely": 0.9})
    assert (
        sum(len(each["jpeg"]) for each in gallery(table, data)) < SHOWN * 16_000
    )  # of noise, which nothing compresses


def test_sources_are_told(search: SearchFolder, data: ImageData) -> None:
    write_label_issues(search, replace(data, sources=("2019", "2020") * 100))
    table = pd.read_csv(search.label_issues, dtype=str)
    assert table["source"].tolist() == ["2019" if row % 2 == 0 else "2020" for row in FLIPPED]


def test_of_many_classes_the_commonest_are_shown() -> None:
    classes = tuple(f"class {k}" for k in range(30))
    given = np.repeat(np.arange(15), np.arange(15, 0, -1))
    shown = pairs(pd.DataFrame({"given": given, "likely": (given + 1) % 15}), classes)
    assert len(shown["classes"]) == 10
    assert np.array(shown["counts"]).sum() + shown["left_out"] == len(given)
    assert shown["left_out"] > 0


def test_without_cleanlab_the_report_does_without(
    search: SearchFolder, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_quality, "available", lambda: False)
    assert write_label_issues(search, data) is None
    assert not search.label_issues.exists()
