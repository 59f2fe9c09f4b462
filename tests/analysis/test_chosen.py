"""A search's ensemble from a folder made by hand: written, not chosen twice, brought back, refused."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.ensemble import METHODS, blend_of, choose, ensemble_test_probs
from analysis.ensemble import chosen as module
from analysis.ensemble.choice import Choice, compare_methods
from analysis.ensemble.description import described
from search_spaces import InputError, Recipe
from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import ImageData
from trainables.files import load_array, load_json, save_array, save_json
from trainables.layout import SearchFolder
from trainables.member import Member, ensemble_members
from trainables.scores import METRICS, accuracy

N, K, METRIC = 150, 3, METRICS[0]
RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=0.01, epochs=1)


@pytest.fixture
def data(tmp_path: Path) -> ImageData:
    labels = np.arange(N) % K
    ids = tuple(f"{row:03d}.jpg" for row in range(N))
    return ImageData(tmp_path, ids, labels, ("2019", "2020", "2020") * 50, ids[:20], ("a", "b", "c"))


@pytest.fixture
def search(tmp_path: Path, data: ImageData) -> SearchFolder:
    """Trials 3, 5 and 8 with three folds each; 8 is worth little."""
    search, rng = SearchFolder(tmp_path / "OUT"), np.random.default_rng(0)
    folds = make_folds(data, 3, 7, "d")
    folds.save(search.folds)

    def probs(labels: np.ndarray, strength: float) -> np.ndarray:
        logits = rng.normal(size=(len(labels), K)) + strength * np.eye(K)[labels]
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    for number, strength in ((3, 2.5), (5, 2.5), (8, 0.0)):
        save_json(search.trial(number).recipe, RECIPE.to_dict())
        for fold in range(3):
            folder = search.trial(number).fold(fold)
            save_array(folder.pred_probs, probs(data.labels[folds.split(fold)[1]], strength))
            save_array(folder.view_probs, load_array(folder.pred_probs)[None])
            save_array(folder.test_probs, probs(data.labels[:20], strength))
            pd.DataFrame({"epoch": [1], "fold_hash": [folds.hash]}).to_csv(folder.metrics, index=False)
    return search


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick methods only; tests/test_search.py has them all."""
    methods = {name: METHODS[name] for name in ("mean", "vote", "simplex", "greedy")}
    monkeypatch.setattr(module, "compare_methods", partial(compare_methods, methods=methods))


def members(*stored: int | list[int]) -> list[Member]:
    return [Member.of(each, 3) for each in stored]


def chosen(search: SearchFolder, data: ImageData, *stored: int | list[int]) -> dict[str, object]:
    return choose(search, data, Folds.load(search.folds), members(*(stored or (3, 5, 8))), METRIC)


def test_what_is_written_is_what_is_returned(search: SearchFolder, data: ImageData) -> None:
    ensemble = chosen(search, data)
    assert load_json(search.ensemble) == ensemble
    assert [row["method"] for row in ensemble["candidates"]] == ["mean", "vote", "simplex", "greedy"]
    assert sum(ensemble["weights"]) == pytest.approx(1)
    oof = pd.read_csv(search.oof)
    assert (oof["prediction"] == oof["label"]).mean() == pytest.approx(ensemble["oof_accuracy"])
    assert oof["label"].tolist() == data.labels.tolist()
    np.testing.assert_allclose(oof[["p0", "p1", "p2"]].sum(axis=1), 1)


def test_the_same_predictions_are_not_chosen_from_twice(
    search: SearchFolder, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(*arguments: object) -> Choice:
        calls.append(1)
        return compare_methods(*arguments, methods={"mean": METHODS["mean"]})  # type: ignore[arg-type]

    monkeypatch.setattr(module, "compare_methods", counted)
    first = chosen(search, data)
    assert chosen(search, data) == first
    assert len(calls) == 1
    chosen(search, data, 5, 3)  # a search that went on promotes others
    search.oof.unlink()
    chosen(search, data, 5, 3)
    assert len(calls) == 3


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_brought_back(
    search: SearchFolder, data: ImageData, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decided(*arguments: object) -> Choice:
        choice = compare_methods(*arguments, methods={"mean": METHODS["mean"]})  # type: ignore[arg-type]
        return Choice(method, "", choice.by_fold, choice.probs, choice.honest_probs, choice.candidates, {})

    monkeypatch.setattr(module, "compare_methods", decided)
    ensemble = chosen(search, data)
    probs = ensemble_test_probs(search)
    assert probs.shape == (20, K)
    np.testing.assert_allclose(probs.sum(1), 1)
    np.testing.assert_array_equal(probs, ensemble_test_probs(search))
    assert accuracy(probs, data.labels[:20]) > 0.8
    if method in ("simplex", "greedy"):
        assert ensemble["members"] == [3, 5]  # who has no weight need not predict


def test_one_member_is_the_ensemble(search: SearchFolder, data: ImageData) -> None:
    ensemble = chosen(search, data, 5)
    assert (ensemble["method"], ensemble["members"], ensemble["weights"]) == ("mean", [5], [1.0])
    assert ensemble["nested_accuracy"] == ensemble["oof_accuracy"]


def test_a_diagonal_answers_with_another_trial_s_net_in_each_fold(search: SearchFolder, data: ImageData) -> None:
    ensemble = chosen(search, data, [3, 8, 5])
    assert (ensemble["members"], ensemble["weights"]) == ([[3, 8, 5]], [1.0])
    assert ensemble_members(search, 3) == members([3, 8, 5])
    own = [search.trial(number).fold(fold) for fold, number in enumerate((3, 8, 5))]
    folds, oof = Folds.load(search.folds), pd.read_csv(search.oof)[["p0", "p1", "p2"]].to_numpy()
    for fold, folder in enumerate(own):
        np.testing.assert_allclose(oof[folds.split(fold)[1]], load_array(folder.pred_probs))
    tests = np.mean([load_array(folder.test_probs) for folder in own], axis=0)
    np.testing.assert_allclose(ensemble_test_probs(search), tests)
    beside_another = chosen(search, data, [3, 8, 5], 5)
    assert [row["trial"] for row in beside_another["ahead_of"]] == [[3, 8, 5], 5]


def test_other_folds_and_twins_are_refused(search: SearchFolder, data: ImageData) -> None:
    for fold in range(3):
        source = search.trial(3).fold(fold).pred_probs
        search.trial(5).fold(fold).pred_probs.write_bytes(source.read_bytes())
    with pytest.raises(InputError, match="003 and 005"):
        chosen(search, data)
    metrics = search.trial(8).fold(1).metrics
    metrics.write_text(metrics.read_text().replace(Folds.load(search.folds).hash, "0123456789abcdef"))
    with pytest.raises(InputError, match="fold 1 has 0123456789abcdef"):
        chosen(search, data)


def test_what_cannot_be_brought_back_says_why(search: SearchFolder, data: ImageData) -> None:
    stored = chosen(search, data) | {"method": "logistic"}
    save_json(search.ensemble, stored)
    search.oof.write_text("image_id,label\na,0\n")
    with pytest.raises(InputError, match=r"oof.csv cannot be read as the labels of 150 rows.*--resume"):
        blend_of(search)
    save_json(search.ensemble, stored | {"method": "magic"})
    with pytest.raises(InputError, match=r"no method 'magic'; allowed are mean, vote"):
        blend_of(search)


def test_the_description_is_by_fold_source_and_class(search: SearchFolder, data: ImageData) -> None:
    two = module.members_of(search, Folds.load(search.folds), members(3, 8), data.labels)
    told = described(two, two.pred_probs[0], METRIC, 0, data.classes, data.sources)
    assert [row["class"] for row in told["classes"]] == ["a", "b", "c"]
    assert {row["source"]: row["images"] for row in told["sources"]} == {"2019": 50, "2020": 100}
    for rows in (told["folds"], told["classes"], told["sources"]):
        assert sum(row["images"] for row in rows) == N
        assert all(row["accuracy"] == row["members"][0] > row["members"][1] for row in rows)
    right = sum(row["accuracy"] * row["images"] for row in told["classes"]) / N
    assert right == pytest.approx(accuracy(two.pred_probs[0], data.labels))
    assert told["members_by_fold"]["behind"] < 0  # where one of two knows nothing, anything is better than their mean
