"""Leaks: each has a check that passes on what the project does, and is shown to fail on the leak itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.ensemble import check_different
from search_spaces import InputError, Recipe
from trainables import scores, tta
from trainables.backbones import Build, build_net
from trainables.data import images
from trainables.data.folds import Folds, make_folds
from trainables.data.images import square
from trainables.data.kaggle import ImageData
from trainables.layout import FoldFolder
from trainables.predict import view_probs
from trainables.setting import Setting
from trainables.train import train

RECIPE = Recipe(
    backbone="test_resnet", image_size=32, batch_size=8, learning_rate=2e-3, epochs=1, tta_count=2, augment="shifts"
)


def rows_trained_on(
    data: ImageData, folds: Folds, fold: int, folder: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe = RECIPE
) -> set[int]:
    """The rows whose files the training loader really opened, whatever the folds say."""
    opened: set[str] = set()
    getitem = images.TrainingImages.__getitem__

    def watched(self: images.TrainingImages, row: int) -> tuple[Tensor, int | Tensor]:
        opened.add(self._paths[row].name)
        return getitem(self, row)

    monkeypatch.setattr(images.TrainingImages, "__getitem__", watched)
    list(train(recipe, data, folds, fold, FoldFolder(folder), Setting()))
    return {row for row, image_id in enumerate(data.image_ids) if image_id in opened}


def check_apart(trained: set[int], validated: Sequence[int], groups: NDArray[np.int64]) -> None:
    """No validated row trained, and no duplicate of one."""
    assert not set(groups[sorted(trained)]) & set(groups[list(validated)])


GROUPS = np.array([0, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 12])


def test_no_net_trains_on_what_it_validates_or_on_its_duplicate(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = make_folds(data, 2, 0, "d", GROUPS)
    for fold in range(2):
        trained = rows_trained_on(data, folds, fold, tmp_path / str(fold), monkeypatch)
        assert len(trained) >= len(folds.split(fold)[0]) - 1  # a last batch of one image is left out
        check_apart(trained, folds.split(fold)[1].tolist(), GROUPS)


def test_a_recipe_trains_on_its_sources_alone(data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = replace(data, sources=("2019", "2020") * 8)
    folds = make_folds(data, 2, 0, "d")
    trained = rows_trained_on(data, folds, 0, tmp_path, monkeypatch, replace(RECIPE, sources="2019"))
    assert trained
    assert all(row % 2 == 0 for row in trained)


@pytest.mark.parametrize("leak", ["a row", "a duplicate"])
def test_that_check_fails_on_the_leak(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    fold_of = make_folds(data, 2, 0, "d", GROUPS).fold_of.copy()
    validated = np.flatnonzero(fold_of == 0).tolist()
    if leak == "a row":
        fold_of[validated[0]] = 1  # it trains, and the list of validated rows still has it
    else:
        fold_of[2] = 1 - fold_of[0]
        validated = [0] if fold_of[0] == 0 else [2]
    torn = Folds(2, 0, "d", fold_of, np.ones(16, dtype=bool))
    trained = rows_trained_on(data, torn, 0, tmp_path, monkeypatch)
    with pytest.raises(AssertionError):
        check_apart(trained, validated, GROUPS)


def statistics(net: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.named_buffers()}


@pytest.mark.parametrize("leaks", [False, True])
def test_no_statistic_is_fitted_on_validation_images(leaks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    net = build_net(RECIPE, Build(2)).train()
    if leaks:
        monkeypatch.setattr(type(net), "eval", lambda self: self)
    batches = [{square(RECIPE): torch.randint(0, 255, (4, 32, 32, 3), dtype=torch.uint8)} for _ in range(2)]
    before = statistics(net)
    view_probs(net, batches, RECIPE, 2)
    same = all(torch.equal(tensor, before[name]) for name, tensor in statistics(net).items())
    assert same is not leaks


def test_no_image_is_scored_with_a_temperature_that_it_helped_to_fit() -> None:
    rng = np.random.default_rng(0)
    probs, labels = rng.dirichlet(np.ones(3), size=60), rng.integers(0, 3, size=60)
    other = labels.copy()
    other[7] = (other[7] + 1) % 3

    def touched(score: object) -> int:
        """How many images a change of one label reaches, beside the image itself."""
        one, two = score(probs, labels), score(probs, other)  # type: ignore[operator]
        return int((np.delete(one, 7) != np.delete(two, 7)).sum())

    assert touched(scores.calibrated_losses) == 30  # the other half, and nobody of its own

    def leaking(probs: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        return scores.losses(scores.tempered(probs, scores.fit_temperature(probs, labels)), labels)

    assert touched(leaking) == 59


def check_views_differ(views: Sequence[tta.View]) -> None:
    """Every view of an image without symmetry is another picture."""
    batch = torch.randint(0, 255, (1, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures = [view(batch) for view in views]
    for later in range(len(pictures)):
        for earlier in range(later):
            assert not torch.equal(pictures[later], pictures[earlier]), f"views {earlier + 1} and {later + 1} are one"


@pytest.mark.parametrize("family", list(tta.VIEWS))
def test_tta_passes_are_not_one_pass_repeated(family: str) -> None:
    check_views_differ(tta.VIEWS[family])
    with pytest.raises(AssertionError, match="views 2 and 9 are one"):
        check_views_differ([*tta.VIEWS[family], tta.VIEWS[family][1]])


def test_an_ensemble_does_not_hold_one_model_under_two_names() -> None:
    rng = np.random.default_rng(0)
    members = rng.dirichlet(np.ones(3), size=(3, 20))
    check_different([4, 7, 9], members)
    with pytest.raises(InputError, match="004 and 009"):
        check_different([4, 7, 9], np.stack([members[0], members[1], members[0]]))


def test_recipes_that_would_train_the_same_net_are_one_trial() -> None:
    assert replace(RECIPE, tta_count=1).training_key() == RECIPE.training_key()
