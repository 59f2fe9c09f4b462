import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search_spaces import InputError
from trainables.data.duplicates import numbered
from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import ImageData, load_data


def test_every_row_validates_once_and_classes_are_even(stripes: Path) -> None:
    data = load_data(stripes)
    folds = make_folds(data, 4, seed=0, data_hash="d")
    seen = np.concatenate([folds.split(fold)[1] for fold in range(4)])
    assert sorted(seen) == list(range(16))
    for fold in range(4):
        train, val = folds.split(fold)
        assert not set(train) & set(val)
        assert np.bincount(data.labels[val]).tolist() == [2, 2]


def test_the_hash_is_of_data_and_folds(stripes: Path) -> None:
    data = load_data(stripes)
    one = make_folds(data, 4, seed=0, data_hash="d")
    assert one.hash == make_folds(data, 4, seed=0, data_hash="d").hash
    assert one.hash != make_folds(data, 4, seed=1, data_hash="d").hash
    assert one.hash != make_folds(data, 4, seed=0, data_hash="e").hash


def test_saved_and_loaded_and_never_changed(stripes: Path, tmp_path: Path) -> None:
    folds = make_folds(load_data(stripes), 4, seed=0, data_hash="d")
    path = tmp_path / "folds.json"
    folds.save(path)
    assert Folds.load(path).hash == folds.hash
    stored = json.loads(path.read_text())
    stored["fold_of"][0] = (stored["fold_of"][0] + 1) % 4
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match="was changed"):
        Folds.load(path)
    path.write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        Folds.load(path)


def test_a_class_smaller_than_the_folds_is_refused(stripes: Path) -> None:
    with pytest.raises(InputError, match="'across' has 8"):
        make_folds(load_data(stripes), 9, seed=0, data_hash="d")
    with pytest.raises(InputError, match="at least 2"):
        make_folds(load_data(stripes), 1, seed=0, data_hash="d")


def with_sources(data: ImageData, sources: list[str]) -> ImageData:
    return replace(data, sources=tuple(sources))


def test_a_group_is_never_torn(stripes: Path) -> None:
    data = load_data(stripes)
    groups = np.array([0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 12])  # three of one class, two of the other
    for seed in range(20):
        folds = make_folds(data, 4, seed, "d", groups)
        assert len(set(folds.fold_of[[0, 2, 14]])) == 1
        assert len(set(folds.fold_of[[13, 15]])) == 1
        for fold in range(4):
            train, val = folds.split(fold)
            assert not set(groups[train]) & set(groups[val])


def test_without_groups_every_image_is_one(stripes: Path) -> None:
    data = load_data(stripes)
    assert make_folds(data, 4, 0, "d").hash == make_folds(data, 4, 0, "d", np.arange(16)).hash


def test_a_source_may_train_and_never_validate(stripes: Path, tmp_path: Path) -> None:
    data = with_sources(load_data(stripes), ["2019"] * 4 + ["2020"] * 12)
    folds = make_folds(data, 3, 0, "d", train_only=["2019"])
    assert folds.validated.tolist() == list(range(4, 16))
    for fold in range(3):
        train, val = folds.split(fold)
        assert set(range(4)) <= set(train)
        assert set(train) | set(val) == set(range(16))
    folds.save(tmp_path / "folds.json")
    assert Folds.load(tmp_path / "folds.json").validated.tolist() == folds.validated.tolist()


def test_a_train_only_duplicate_does_not_train_its_twin_s_fold(stripes: Path) -> None:
    data = with_sources(load_data(stripes), ["2019"] * 4 + ["2020"] * 12)
    groups = np.arange(16)
    groups[0] = 4  # row 0, of 2019, is row 4 of 2020
    folds = make_folds(data, 3, 0, "d", numbered(groups), train_only=["2019"])
    train, val = folds.split(int(folds.fold_of[4]))
    assert 4 in val
    assert 0 not in train
    assert 0 not in val


def test_an_unknown_source_is_refused(stripes: Path) -> None:
    data = load_data(stripes)
    with pytest.raises(InputError, match="no column `source`"):
        make_folds(data, 3, 0, "d", train_only=["2019"])
    with pytest.raises(InputError, match=r"has 2019, 2020; it does not have:\n  - 2021"):
        make_folds(with_sources(data, ["2019"] * 4 + ["2020"] * 12), 3, 0, "d", train_only=["2021"])


def test_duplicates_do_not_count_as_images_of_a_class(stripes: Path) -> None:
    groups = np.array([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8])  # the first class is one image, eight times
    with pytest.raises(InputError, match="'across' has 1"):
        make_folds(load_data(stripes), 2, 0, "d", groups)
