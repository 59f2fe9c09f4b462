"""The frames that `load` gives, on an OUT made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from search_spaces.errors import InputError
from trainables.files import load_json, save_array, save_json
from trainables.layout import SearchFolder


def test_every_frame_has_the_rows_that_it_promises(small_out: Path) -> None:
    found = analysis.load(small_out)
    assert found.best == 0
    assert found.trials["status"].tolist() == ["finished", "finished", "stopped", "stopped"]
    assert list(found.searched.columns) == ["t2"]
    assert len(found.epochs) == 12
    rungs = found.rungs
    assert rungs["goes_on"].tolist() == [True, True, False, False]
    assert rungs["end"].tolist()[:2] == pytest.approx([0.6, 0.7])
    assert rungs["end"].isna().tolist() == [False, False, True, True]
    stages = found.fold_epochs.groupby("stage").size()
    assert stages.to_dict() == {"search": 12, "promotion": 16}


def test_predictions_are_a_row_an_image_and_model(small_out: Path) -> None:
    found = analysis.load(small_out)
    assert list(found.pred_probs) == ["000", "001", "ensemble"]
    predictions = found.predictions
    assert predictions.groupby("model", sort=False).size().to_dict() == {"000": 200, "001": 200, "ensemble": 200}
    assert (predictions["right"] == (predictions["prediction"] == predictions["label"])).all()
    assert predictions["val_robust_loss"].between(0, 1.43).all()
    ensemble = predictions[predictions["model"] == "ensemble"].reset_index(drop=True)
    oof = pd.read_csv(SearchFolder(small_out).oof)
    assert ensemble["image_id"].tolist() == oof["image_id"].tolist()
    np.testing.assert_allclose(ensemble["p_label"], np.where(oof["label"] == 0, oof["p0"], oof["p1"]))
    images = found.images
    assert images["group"].notna().sum() == 2
    assert images["class"].tolist() == [("across", "down")[label] for label in images["label"]]
    assert "source" not in images


def test_a_trial_of_some_folds_only_has_rows_of_those(small_out: Path) -> None:
    SearchFolder(small_out).trial(1).fold(2).pred_probs.unlink()
    found = analysis.load(small_out)
    folds = found.images["fold"].to_numpy()
    np.testing.assert_array_equal(np.isnan(found.pred_probs["001"]).all(1), folds == 2)
    own = found.predictions[found.predictions["model"] == "001"]
    assert set(own["fold"]) == {0, 1}


def test_views_are_averaged_as_the_search_decided(small_out: Path) -> None:
    search = SearchFolder(small_out)
    save_json(search.view_mean, {"mean": "logarithms"})
    for number in (0, 1):
        for fold in range(3):
            folder = search.trial(number).fold(fold)
            said = np.load(folder.pred_probs)
            save_array(folder.view_probs, np.stack([1 - said, said]))
    found = analysis.load(small_out)  # of recipes with one view, which is the first
    np.testing.assert_allclose(found.pred_probs["000"].sum(1), 1, atol=1e-6)
    assert (found.pred_probs["000"].argmax(1) == found.images["label"]).mean() < 0.2


def test_sources_come_from_the_data_folder_where_it_is_at_hand(small_out: Path, many_stripes: Path) -> None:
    table = pd.read_csv(many_stripes / "train.csv")
    table.assign(source=["a", "b"] * 100).to_csv(many_stripes / "train.csv", index=False)
    assert analysis.load(small_out).images["source"].tolist() == ["a", "b"] * 100
    about = load_json(small_out / "search.json")
    save_json(small_out / "search.json", {**about, "data": "/nowhere"})
    assert "source" not in analysis.load(small_out).images
    assert "source" in analysis.load(small_out, data=many_stripes).images
    with pytest.raises(InputError, match=r"--data must be a folder in the Kaggle layout; /nowhere"):
        _ = analysis.load(small_out).data


def test_another_data_folder_is_refused(small_out: Path, stripes: Path) -> None:
    with pytest.raises(InputError, match="must be the search's own"):
        _ = analysis.load(small_out, data=stripes).data


def test_where_it_looks_without_a_name(small_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAFSEARCH_OUT", raising=False)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    with pytest.raises(InputError, match="there is no finished search in runs/"):
        analysis.load()
    (tmp_path / "runs").mkdir()
    small_out.rename(tmp_path / "runs" / "mine")
    assert analysis.load().search.path.name == "mine"
    monkeypatch.setenv("LEAFSEARCH_OUT", str(tmp_path / "runs" / "other"))
    with pytest.raises(InputError, match="holds no search"):
        analysis.load()


def test_an_unfinished_search_opens_as_far_as_it_got(small_out: Path) -> None:
    search = SearchFolder(small_out)
    for path in (search.summary, search.standings, search.promoted, search.oof):
        path.unlink()
    found = analysis.load(small_out)
    assert found.best is None
    assert len(found.rungs) == 4
    with pytest.raises(InputError, match="a search that is not finished has none"):
        _ = found.images
