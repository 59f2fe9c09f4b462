"""Cleaning changes training rows of one fold and nothing else, by nets that did not see them; guards shown to fail."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from search_spaces import InputError, Recipe
from search_spaces.kinds import DENOISES
from trainables.checkpoint import load_checkpoint, save_checkpoint
from trainables.data.cleaned import cleaned_rows, with_cleaned
from trainables.data.folds import Folds, make_folds
from trainables.data.images import TrainingImages
from trainables.data.kaggle import ImageData, load_data
from trainables.data.pixels import read_image
from trainables.files import write_whole
from trainables.layout import FoldFolder
from trainables.setting import Setting
from trainables.train import _Seen, _seen, train

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=2e-3, epochs=2, augment="shifts")
WAYS = [way for way in DENOISES if way != "none"]


@pytest.fixture
def data(more_stripes: Path) -> ImageData:
    """20 images in turns of two classes; the labels of 2, 5 and 11 are wrong."""
    table = pd.read_csv(more_stripes / "train.csv")
    table.loc[[2, 5, 11], "label"] = [1, 0, 0]
    table.to_csv(more_stripes / "train.csv", index=False)
    return load_data(more_stripes)


@pytest.fixture
def folds(data: ImageData) -> Folds:
    """Image i validates in fold i % 4 // 2, so that fold 0 validates 5, and 2 and 11 train in it."""
    fold_of = np.arange(20) % 4 // 2
    return Folds(2, 0, "d", fold_of, np.ones(20, np.bool_))


def knowing(data: ImageData) -> NDArray[np.float64]:
    """Out-of-fold probabilities that know the truth."""
    rng = np.random.default_rng(0)
    right = 0.8 + 0.1 * rng.random(20)
    return np.where(np.arange(20)[:, None] % 2 == np.arange(2), right[:, None], 1 - right[:, None])


def seen(way: str, data: ImageData, folds: Folds, folder: FoldFolder) -> _Seen:
    table = cleaned_rows(way, data, folds.split(0)[0], knowing(data))
    write_whole(folder.cleaned, table.to_csv(index=False))
    return _seen(replace(RECIPE, denoise=way), data, folds, 0, folder, read_image)


def check_validates_as_given(seen: _Seen, data: ImageData, folds: Folds) -> None:
    """The labels that a fold is scored on are those of train.csv, bit for bit."""
    given = pd.read_csv(data.root / "train.csv")["label"].to_numpy()
    assert seen.val_labels.tobytes() == given[folds.split(0)[1]].tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_only_training_rows_change(way: str, data: ImageData, folds: Folds, tmp_path: Path) -> None:
    before = data.labels.copy()
    found = seen(way, data, folds, FoldFolder(tmp_path))
    check_validates_as_given(found, data, folds)
    np.testing.assert_array_equal(data.labels, before)
    train_rows, val_rows = folds.split(0)
    assert set(found.train_rows) <= set(train_rows)
    np.testing.assert_array_equal(found.data.labels[val_rows], before[val_rows])
    assert {2, 11} & set(train_rows)


def test_the_guard_fails_where_a_validation_label_is_cleaned(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    leaking = replace(data, labels=knowing(data).argmax(1))
    with pytest.raises(AssertionError):
        check_validates_as_given(seen("drop", leaking, folds, FoldFolder(tmp_path)), data, folds)


def test_a_table_that_names_a_validation_image_is_refused(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    folder = FoldFolder(tmp_path)
    row = int(folds.split(0)[1][0])
    table = pd.DataFrame({"image_id": [data.image_ids[row]], "action": "drop", "label": 0, "weight": np.nan})
    write_whole(folder.cleaned, table.to_csv(index=False))
    with pytest.raises(InputError, match="training images of its fold only"):
        _seen(replace(RECIPE, denoise="drop"), data, folds, 0, folder, read_image)


def test_drop_removes(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    wrong = set(np.flatnonzero(data.labels != np.arange(20) % 2)) & set(folds.split(0)[0])
    found = seen("drop", data, folds, FoldFolder(tmp_path))
    assert set(folds.split(0)[0]) - set(found.train_rows) == wrong
    assert wrong


def test_relabel_changes(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    found = seen("relabel", data, folds, FoldFolder(tmp_path))
    train_rows = folds.split(0)[0]
    np.testing.assert_array_equal(found.train_rows, train_rows)
    np.testing.assert_array_equal(found.data.labels[train_rows], train_rows % 2)


def test_reweight_weighs_with_mean_1(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    found = seen("reweight", data, folds, FoldFolder(tmp_path))
    assert found.data.shares is not None
    weights = found.data.shares[found.train_rows].sum(1)
    assert weights.mean() == pytest.approx(1.0, abs=1e-6)
    wrong = data.labels[found.train_rows] != found.train_rows % 2
    assert weights[wrong].max() < 0.5 < weights[~wrong].min()
    _, target = TrainingImages(found.data, found.train_rows, RECIPE, 0, 1)[0]
    np.testing.assert_allclose(np.asarray(target), found.data.shares[found.train_rows[0]])


def test_soft_labels_are_cleaned_too(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    soft = replace(data, shares=np.full((20, 2), 0.5, np.float32))
    relabelled = seen("relabel", soft, folds, FoldFolder(tmp_path / "a")).data.shares
    weighed = seen("reweight", soft, folds, FoldFolder(tmp_path / "b"))
    assert relabelled is not None
    assert weighed.data.shares is not None
    changed = [row for row in folds.split(0)[0] if data.labels[row] != row % 2]
    np.testing.assert_array_equal(relabelled[changed], np.eye(2)[[row % 2 for row in changed]])
    assert (soft.shares == 0.5).all()  # type: ignore[union-attr]
    assert weighed.data.shares[weighed.train_rows].sum(1).mean() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_rows_without_predictions_stay(way: str, data: ImageData, folds: Folds, tmp_path: Path) -> None:
    probs = knowing(data)
    probs[2] = probs[11] = np.nan
    rows = folds.split(0)[0]
    table = cleaned_rows(way, data, rows, probs)
    assert not {data.image_ids[2], data.image_ids[11]} & set(table["image_id"])
    write_whole(tmp_path / "cleaned.csv", table.to_csv(index=False))
    cleaned, kept = with_cleaned(data, rows, way, tmp_path / "cleaned.csv")
    np.testing.assert_array_equal(cleaned.labels[[2, 11]], data.labels[[2, 11]])
    assert {row for row in (2, 11) if row in rows} <= set(kept)
    assert cleaned.shares is None or cleaned.shares[[2, 11]].sum(1) == pytest.approx(1.0)


def test_none_is_the_very_same_data(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    rows = folds.split(0)[0]
    assert with_cleaned(data, rows, "none", tmp_path / "not there") == (data, rows)


def test_a_table_of_another_way_or_none_is_refused(data: ImageData, folds: Folds, tmp_path: Path) -> None:
    rows = folds.split(0)[0]
    with pytest.raises(InputError, match="cannot be read"):
        with_cleaned(data, rows, "drop", tmp_path / "not there")
    write_whole(tmp_path / "cleaned.csv", cleaned_rows("drop", data, rows, knowing(data)).to_csv(index=False))
    with pytest.raises(InputError, match="the action relabel only"):
        with_cleaned(data, rows, "relabel", tmp_path / "cleaned.csv")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_it_trains_and_refuses_to_go_on_with_another_table(
    way: str, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = make_folds(data, 2, 0, "d")
    folder, recipe = FoldFolder(tmp_path), replace(RECIPE, denoise=way)
    table = cleaned_rows(way, data, folds.split(0)[0], knowing(data))
    write_whole(folder.cleaned, table.to_csv(index=False))
    first = next(iter(train(recipe, data, folds, 0, folder, Setting())))
    assert first["epoch"] == 1
    write_whole(folder.cleaned, table.head(1).to_csv(index=False))
    with pytest.raises(InputError, match="rows cleaned otherwise"):
        next(iter(train(recipe, data, folds, 0, folder, Setting())))
    write_whole(folder.cleaned, table.to_csv(index=False))
    assert [row["epoch"] for row in train(recipe, data, folds, 0, folder, Setting())] == [1, 2]


@pytest.mark.slow
def test_a_checkpoint_from_before_a_field_was_added_is_gone_on_with(data: ImageData, tmp_path: Path) -> None:
    folds, folder = make_folds(data, 2, 0, "d"), FoldFolder(tmp_path)
    next(iter(train(RECIPE, data, folds, 0, folder, Setting())))
    stored = load_checkpoint(folder)
    assert stored is not None
    del stored["recipe"]["denoise"], stored["cleaned"]
    save_checkpoint(folder, stored)
    assert [row["epoch"] for row in train(RECIPE, data, folds, 0, folder, Setting())] == [1, 2]
