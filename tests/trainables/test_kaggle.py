"""The Kaggle layout: what is read, listed at once, left out. Each way to be bad is in tests/bad_input/."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search_spaces import InputError
from trainables.data.kaggle import check_data, list_images, load_data
from trainables.data.skipped import load_skipped, skipped_csv


def add_row(root: Path, row: str) -> None:
    with (root / "train.csv").open("a") as table:
        table.write(row + "\n")


def test_all_that_is_wrong_with_tables_is_listed_at_once(stripes: Path) -> None:
    add_row(stripes, "train_0.png,9")
    add_row(stripes, "../x.png,0")
    (stripes / "train_images/train_2.png").unlink()
    with pytest.raises(InputError) as caught:
        check_data(stripes)
    text = str(caught.value)
    for part in ("label '9'", "already", "plain file name"):
        assert part in text
    assert "missing" not in text  # images are looked at once nothing is wrong with the tables


def test_all_images_that_cannot_be_used_are_listed_at_once(stripes: Path) -> None:
    (stripes / "train_images/train_1.png").write_text("text")
    (stripes / "train_images/train_2.png").unlink()
    (stripes / "test_images/test_0.png").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        check_data(stripes)
    text = str(caught.value)
    for part in ("train_1.png is not an image", "train_2.png is missing", "test_0.png is not an image"):
        assert part in text


def test_images_that_cannot_be_used_may_be_left_out(more_stripes: Path, tmp_path: Path) -> None:
    root = more_stripes
    whole, contents = check_data(root)
    (root / "train_images/train_1.png").write_text("text")
    (root / "train_images/train_4.png").unlink()
    (root / "test_images/test_3.png").write_bytes(b"")
    data, left = check_data(root, skip_bad=True)
    assert [(each.image_id, each.folder) for each in data.skipped] == [
        ("train_1.png", "train_images"),
        ("train_4.png", "train_images"),
        ("test_3.png", "test_images"),
    ]
    kept = [row for row in range(20) if row not in (1, 4)]
    assert data.image_ids == tuple(whole.image_ids[row] for row in kept)
    assert data.labels.tolist() == whole.labels[kept].tolist()
    assert left.digests == tuple(contents.digests[row] for row in kept)
    assert left.hash != contents.hash
    assert data.test_ids == whole.test_ids  # the answer needs a row for each
    assert [data.test_ids[row] for row in np.flatnonzero(~data.readable_tests)] == ["test_3.png"]
    assert data.class_shares.tolist() == [9 / 18, 9 / 18]
    (tmp_path / "skipped.csv").write_text(skipped_csv(data.skipped))
    again = load_data(root, load_skipped(tmp_path / "skipped.csv"))
    assert (again.image_ids, again.skipped) == (data.image_ids, data.skipped)
    assert load_skipped(tmp_path / "absent.csv") == ()


def test_nothing_is_left_out_where_every_image_is_good(stripes: Path) -> None:
    data, contents = check_data(stripes, skip_bad=True)
    assert data.skipped == ()
    assert contents.hash == check_data(stripes)[1].hash


def test_a_good_folder_is_read_in_order(stripes: Path) -> None:
    data, contents = check_data(stripes)
    assert len(data.image_ids) == 16
    assert data.labels.tolist() == [0, 1] * 8
    assert data.classes == ("across", "down")
    assert data.test_ids == ("test_3.png", "test_2.png", "test_1.png", "test_0.png")
    assert data.sources is None
    assert load_data(stripes).image_ids == data.image_ids
    assert check_data(stripes)[1].hash == contents.hash
    assert contents.thumbnails.shape == (16, 32, 32)
    assert len(set(contents.digests)) == 16


def test_a_changed_pixel_changes_the_hash(stripes: Path) -> None:
    before = check_data(stripes)[1].hash
    path = stripes / "train_images/train_0.png"
    Image.new("RGB", (16, 16)).save(path)
    assert check_data(stripes)[1].hash != before


def test_source_is_optional(stripes: Path) -> None:
    lines = (stripes / "train.csv").read_text().splitlines()
    (stripes / "train.csv").write_text("\n".join([lines[0] + ",source", *(line + ",2020" for line in lines[1:])]))
    assert load_data(stripes).sources == ("2020",) * 16


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has none"):
        list_images(tmp_path)
    with pytest.raises(InputError, match="must be a folder"):
        list_images(tmp_path / "absent")
