import json
from pathlib import Path

import numpy as np
import pytest

from search_spaces import InputError
from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import load_data


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
