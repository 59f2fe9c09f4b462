"""Ways to answer on predictions whose scores are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.epochs import FoldEpochs, best_epochs, compare_epochs, load_fold_epochs, verdict
from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.files import save_array
from trainables.layout import SearchFolder
from trainables.scores import Probs

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=8, learning_rate=0.01, epochs=5)
LABELS = np.zeros(10, dtype=np.int64)


def right(count: int, share: float = 0.8) -> Probs:
    """Of ten images of class 0, the first `count` are right."""
    sure = np.where(np.arange(10) < count, share, 1 - share)
    return np.stack([sure, 1 - sure], axis=1)


def fold(*counts: int, **more: Probs) -> FoldEpochs:
    return FoldEpochs(LABELS, [right(count) for count in counts], **more)


def by_way(folds: list[FoldEpochs], recipe: Recipe = RECIPE) -> dict[str, dict[str, float]]:
    return {row["way"]: row for row in compare_epochs(folds, recipe, "val_accuracy")}


FOLDS = [fold(1, 2, 9, 4, 5, soup=right(7)), fold(1, 8, 3, 4, 5), fold(1, 2, 9, 4, 6)]


def test_the_best_epoch_is_known_with_and_without_its_own_fold() -> None:
    assert best_epochs(FOLDS, "val_accuracy") == ([3, 2, 3], [3, 3, 3])
    rows = by_way(FOLDS)
    assert rows["best epoch of each fold"]["accuracy"] == pytest.approx((9 + 8 + 9) / 30)
    assert rows["best epoch by the other folds"]["accuracy"] == pytest.approx((9 + 3 + 9) / 30)
    assert [way for way, row in rows.items() if row["flatters"]] == ["best epoch of each fold"]


def test_no_fold_has_a_say_in_its_own_best_epoch() -> None:
    """Whatever it looks like, the others choose the same for it; and it may change what is chosen for them."""
    rng = np.random.default_rng(0)
    _, before = best_epochs(FOLDS, "val_robust_loss")
    theirs = set()
    for _ in range(20):
        changed = FoldEpochs(rng.integers(0, 2, 10), [rng.dirichlet([1, 1], 10) for _ in range(5)])
        _, chosen = best_epochs([changed, *FOLDS[1:]], "val_robust_loss")
        assert chosen[0] == before[0]
        theirs.add(chosen[1])
    assert len(theirs) > 1


def test_nothing_is_chosen_by_the_others_where_there_are_none() -> None:
    assert best_epochs(FOLDS[:1], "val_accuracy") == ([3], [])
    assert "best epoch by the other folds" not in by_way(FOLDS[:1])


def test_differences_are_paired_with_the_last_epoch() -> None:
    rows = by_way(FOLDS)
    assert next(iter(rows)) == "last epoch"
    assert rows["last epoch"]["ahead"] == rows["last epoch"]["ahead_se"] == 0
    best = rows["best epoch of each fold"]
    gained = 4 + 3 + 3  # of thirty images, and none was lost
    assert best["ahead"] == best["accuracy_ahead"] == pytest.approx(gained / 30)
    assert best["ahead_se"] == pytest.approx(np.sqrt(gained / 30 * (1 - gained / 30) / 30))
    assert best["beyond"]


def test_a_way_that_some_folds_lack_is_compared_on_those_that_have_it() -> None:
    soup = by_way(FOLDS)["soup of the last 3"]
    assert (soup["folds"], soup["images"]) == (1, 10)
    assert soup["ahead"] == pytest.approx((7 - 5) / 10)


def test_means_are_of_probabilities() -> None:
    """Two weak votes for an image do not outvote a sure one."""
    epochs = [right(0), right(0), right(10, 0.99), right(0, 0.6), right(0, 0.6)]
    rows = by_way([FoldEpochs(LABELS, epochs)])
    accuracies = {way: row["accuracy"] for way, row in rows.items() if way.startswith("mean")}
    assert accuracies == {
        "mean of the last 2": 0.0,
        "mean of the last 3": 1.0,
        "mean of the last 4": 0.0,
        "mean of the 4 before the last": 0.0,
    }


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        ({}, "last epoch"),
        ({"answer": "soup", "answer_epochs": 4}, "soup of the last 4"),
        ({"answer": "mean", "answer_epochs": 5}, "mean of the last 5"),
    ],
)
def test_the_recipe_s_own_way_is_marked(fields: dict[str, object], way: str) -> None:
    folds = [fold(1, 2, 9, 4, 5, soup=right(7))]
    rows = by_way(folds, replace(RECIPE, **fields))  # type: ignore[arg-type]
    assert [name for name, row in rows.items() if row["answers"]] == [way]


def test_a_moving_average_is_compared_with_the_net_that_it_is_of() -> None:
    folds = [fold(1, 2, 9, 4, 5, not_averaged=right(2))]
    assert "last epoch without moving average" not in by_way(folds)
    row = by_way(folds, replace(RECIPE, ema_decay=0.9))["last epoch without moving average"]
    assert row["ahead"] == pytest.approx(-0.3)


def test_one_epoch_has_nothing_to_choose_from() -> None:
    assert list(by_way([fold(5), fold(6)], replace(RECIPE, epochs=1))) == ["last epoch"]


def test_the_verdict_counts_what_is_more_than_error_and_leaves_out_what_flatters() -> None:
    rows = [{"trial": 3, **row} for row in compare_epochs(FOLDS, RECIPE, "val_accuracy")]
    beyond = [row["way"] for row in rows if row["beyond"] and not row["flatters"]]
    said = verdict(rows, "val_accuracy")
    assert said.startswith(f"Of {len(rows) - 2} comparisons that do not flatter, {len(beyond)} beyond 1.96")
    assert all(f"{way}, worse on trial 003" in said or f"{way}, better on trial 003" in said for way in beyond)
    assert "each fold" not in said
    same = [{"trial": 3, **row} for row in compare_epochs([fold(5, 5, 5, 5, 5)] * 2, RECIPE, "val_accuracy")]
    assert "none is beyond 1.96" in verdict(same, "val_accuracy")
    assert verdict(same[:1], "val_accuracy") == ""


def test_a_fold_that_lost_an_epoch_is_left_out(tmp_path: Path) -> None:
    search, folds = SearchFolder(tmp_path), Folds(2, 0, "d", np.arange(20) % 2, np.ones(20, np.bool_))
    for number in range(2):
        folder = search.trial(7).fold(number)
        for epoch in range(1, 6):
            save_array(folder.epoch_probs(epoch), right(epoch + number))
    save_array(search.trial(7).fold(1).soup_probs, right(9))
    labels = np.zeros(20, np.int64)
    assert len(load_fold_epochs(search, 7, RECIPE, labels, folds, [0, 1])) == 2
    assert len(load_fold_epochs(search, 7, RECIPE, labels, folds, [1])) == 1
    search.trial(7).fold(0).epoch_probs(2).unlink()
    (left,) = load_fold_epochs(search, 7, RECIPE, labels, folds, [0, 1])
    assert [int((probs.argmax(1) == 0).sum()) for probs in left.epochs] == [2, 3, 4, 5, 6]
    assert left.soup is not None
    assert left.not_averaged is None
