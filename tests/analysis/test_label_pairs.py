"""Suspicious labels by pair, with images from the data folder or from what OUT kept."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.label_pairs import by_part, common_pairs, duplicates_figure, pair_figure, pairs_figure, pictures
from trainables.files import load_json, save_json
from trainables.layout import SearchFolder


@pytest.fixture
def flipped(small_out: Path) -> Path:
    """The same search, with label issues of three known images."""
    search = SearchFolder(small_out)
    oof = pd.read_csv(search.oof)
    rows = oof.iloc[[0, 2, 5]]
    table = pd.DataFrame({"image_id": rows["image_id"], "fold": rows["fold"], "given": rows["label"]})
    table = table.assign(likely=1 - rows["label"], quality=0.1, p_given=0.1, p_likely=0.9)
    table.to_csv(search.label_issues, index=False)
    return small_out


def test_pairs_are_counted(flipped: Path) -> None:
    pairs = common_pairs(analysis.load(flipped))
    assert pairs[["given", "likely", "suspicious", "images"]].to_numpy().tolist() == [
        ["across", "down", 2, 100], ["down", "across", 1, 100],
    ]  # fmt: skip
    assert pairs["expected_right"].between(0, 1).all()


def test_parts_have_shares(flipped: Path) -> None:
    found = analysis.load(flipped)
    assert by_part(found, "class")["suspicious"].tolist() == [2, 1]
    folds = by_part(found, "fold")
    assert folds["images"].sum() == 200
    assert folds["suspicious"].sum() == 3


def test_each_pair_is_a_row_of_images(flipped: Path) -> None:
    found = analysis.load(flipped)
    figure = pairs_figure(found, common_pairs(found))
    assert figure is not None
    assert figure.subfigs[0].get_suptitle() == "given across, likely down (2 suspicious)"
    assert [len(axes.images) for axes in figure.subfigs[1].axes] == [1, 0]
    assert pair_figure(found, "down", "down") is None


def test_without_the_data_the_kept_pictures_are_shown(flipped: Path) -> None:
    search = SearchFolder(flipped)
    save_json(search.search, {**load_json(search.search), "data": "/nowhere"})
    found = analysis.load(flipped)
    kept = load_json(search.label_gallery)
    assert pictures(found)(kept[0]["image_id"]) is not None
    assert pictures(found)("absent.png") is None


def test_duplicates_with_two_labels_are_shown(small_out: Path) -> None:
    figure = duplicates_figure(analysis.load(small_out))  # images 0 and 5 of the stripes are called duplicates
    assert figure is not None
    captions = [axes.texts[0].get_text() for axes in figure.subfigs[0].axes]
    assert captions == ["train_0.png\nacross", "train_5.png\ndown"]


def test_without_duplicates_there_is_no_figure(small_out: Path) -> None:
    SearchFolder(small_out).groups.write_text("image_id,group\n")
    found = analysis.load(small_out)
    assert found.images["group"].isna().all()
    assert np.isfinite(found.images["p_label"]).all()
    assert duplicates_figure(found) is None
