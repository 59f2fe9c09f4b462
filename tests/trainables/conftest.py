"""Shared by the tests of one training: the stripes as data, and two folds of them."""

from pathlib import Path

import pytest

from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import ImageData, load_data


@pytest.fixture
def data(stripes: Path) -> ImageData:
    return load_data(stripes)


@pytest.fixture
def folds(data: ImageData) -> Folds:
    return make_folds(data, 2, seed=0, data_hash="d")
