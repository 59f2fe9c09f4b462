"""The stage that predicts the test images, its tasks done one after the other: what is kept, shared and written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

from cluster import prediction as module
from cluster.errors import SearchFailed
from cluster.failures import Attempts
from cluster.prediction import fold_nets, predict_by
from cluster.resources import Resources, Slots, Wishes
from cluster.store import Store, _others_write
from search_spaces import Recipe
from trainables.backbones import Build, build_net, save_net
from trainables.data.kaggle import TEST_IMAGES, ImageData, load_data
from trainables.data.place import DataPlace
from trainables.data.skipped import Skipped
from trainables.files import load_array, save_json
from trainables.layout import SearchFolder
from trainables.member import Member
from trainables.predict import predict_images
from trainables.prediction import predict_part
from trainables.setting import Setting

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=9, learning_rate=1e-3, epochs=2)
RECIPES = {3: RECIPE, 5: replace(RECIPE, image_size=48, tta_count=2, answer="mean", answer_epochs=2)}
NETS = [(3, 1), (5, 1)]
Predict = Callable[..., list[int]]


@dataclass(frozen=True)
class Asked:
    """What the stage reads of a plan."""

    search: SearchFolder
    data: ImageData
    quiet: bool = True

    @property
    def store(self) -> Store:
        return Store(self.search)

    @property
    def place(self) -> DataPlace:
        return DataPlace(str(self.data.root))

    def setting(self, slots: Slots) -> Setting:
        return Setting()


class Silent:
    """In place of what was spent."""

    def look(self) -> None:
        pass


def save_fold(search: SearchFolder, number: int, fold: int, seed: int) -> None:
    torch.manual_seed(seed)
    for file in search.trial(number).fold(fold).nets(RECIPES[number]):
        save_net(file, build_net(RECIPES[number], Build(2)), RECIPES[number], Build(2))


@pytest.fixture
def plan(more_stripes: Path, tmp_path: Path) -> Asked:
    """Two trials with a net for each of two folds, one of them with two; ten test images, of which one is bad."""
    bad = Skipped("test_3.png", TEST_IMAGES, "is not an image")
    made = Asked(SearchFolder(tmp_path / "OUT"), load_data(more_stripes, [bad]))
    for number, recipe in RECIPES.items():
        save_json(made.search.trial(number).recipe, recipe.to_dict())
        for fold in range(2):
            save_fold(made.search, number, fold, seed=10 * number + fold)
    return made


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch) -> Predict:
    """Runs the stage on so many slots; returns how many batches each task looked at, and may die before one of them."""

    def run(plan: Asked, nets: list[tuple[int, int]], slots: int = 2, dies_after: int = 100) -> list[int]:
        batches: list[int] = []

        def inline(store: Store, wanted: Mapping[Any, Slots], start: Callable[[Any], Any], **words: Any) -> None:
            for part in wanted:
                if len(batches) == dies_after:
                    raise KeyboardInterrupt
                start(part)
                batches.append(len(part))

        class Here:
            def __init__(self, function: Callable[..., None], slot: Slots) -> None:
                self.remote = function

        monkeypatch.setattr(module, "until_done", inline)
        monkeypatch.setattr(module, "remote", Here)
        monkeypatch.setattr(module, "alive_nodes", lambda: [{"CPU": float(slots)}])
        resources = Resources(Slots(slots, 1, 0.0), wishes=Wishes(9))
        predict_by(plan, resources, Silent(), nets)
        return batches

    return run


def check_written(plan: Asked, nets: list[tuple[int, int]]) -> None:
    """As each fold's nets say by themselves."""
    readable = plan.data.readable_tests
    paths = [path for path, there in zip(plan.data.test_paths, readable, strict=True) if there]
    for number, fold in nets:
        folder = plan.search.trial(number).fold(fold)
        probs = load_array(folder.test_probs)
        assert (probs.shape, probs.dtype) == ((10, 2), np.float32)
        np.testing.assert_allclose(probs[readable], predict_images(folder.nets(RECIPES[number]), paths), atol=1e-6)
        np.testing.assert_array_equal(probs[~readable], [[0.5, 0.5]])
    assert not plan.search.test_parts.exists()


def test_every_fold_has_what_its_nets_say_of_each_image(plan: Asked, predict: Predict) -> None:
    assert predict(plan, NETS) == [5, 4], "nine images, one by one, on two slots"
    check_written(plan, NETS)
    assert not plan.search.trial(5).fold(0).test_probs.exists(), "nobody asked for it"
    assert predict(plan, NETS) == [], "what is there is not predicted again"
    assert predict(plan, [*NETS, (3, 0)], slots=1) == [9]
    check_written(plan, [(3, 0)])


def test_what_is_predicted_stays_and_the_rest_is_shared_anew(plan: Asked, predict: Predict) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS, slots=3, dies_after=2)
    files = {path: path.stat().st_mtime_ns for path in plan.search.test_parts.glob("*/*.npy")}
    assert len(files) == 6
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS, slots=2, dies_after=0)
    assert {path: path.stat().st_mtime_ns for path in plan.search.test_parts.glob("*/*.npy")} == files
    assert predict(plan, NETS, slots=2) == [2, 1]
    check_written(plan, NETS)


def test_a_driver_that_dies_while_it_writes_predicts_nothing_again(
    plan: Asked, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    save_array = module.save_array

    def dying(path: Path, array: np.ndarray) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        save_array(path, array)

    monkeypatch.setattr(module, "save_array", dying)
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS)
    monkeypatch.setattr(module, "save_array", save_array)
    assert predict(plan, NETS) == []
    check_written(plan, NETS)


@pytest.mark.parametrize("change", ["none", "other nets", "more nets", "another mean"])
def test_what_was_begun_otherwise_is_begun_anew(plan: Asked, predict: Predict, change: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS[:1], dies_after=0)
    (begun,) = plan.search.test_parts.iterdir()
    if change == "other nets":
        save_fold(plan.search, 3, 1, seed=99)
    if change == "another mean":
        save_json(plan.search.view_mean, {"mean": "logarithms"})
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS if change == "more nets" else NETS[:1], dies_after=0)
    (now,) = plan.search.test_parts.iterdir()
    assert (now == begun) == (change == "none")


def test_images_that_nobody_predicted_end_it(plan: Asked, predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "predict_part", lambda *words: None)
    with pytest.raises(SearchFailed, match="9 test images have no prediction"):
        predict(plan, NETS)
    assert not plan.search.trial(3).fold(1).test_probs.exists()


def test_a_lost_machine_is_no_failure_and_is_noted(plan: Asked, predict: Predict) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS, slots=3, dies_after=1)
    _, prediction = module._begun(plan, NETS)
    attempts = Attempts()
    for _ in range(3):
        error = ray.exceptions.NodeDiedError("gone")
        module._check_tried_again(plan, prediction, attempts, error, (1, 2, 3), 0.0)
    with pytest.raises(SearchFailed, match="A part of the prediction failed"):
        module._check_tried_again(plan, prediction, attempts, ValueError("torn"), (1, 2, 3), 0.0)
    rows = plan.search.preemptions.read_text().split()
    assert len(rows) == 4 and rows[1].startswith(",,2,")


def test_a_worker_does_only_what_is_lacking(plan: Asked, predict: Predict) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS, slots=3, dies_after=1)
    _, prediction = module._begun(plan, NETS)
    before = {path: path.stat().st_mtime_ns for path in plan.search.test_parts.glob("*/*.npy")}
    predict_part(plan.place, plan.search, prediction, (0, 1, 2, 3, 4), Setting())
    after = {path: path.stat().st_mtime_ns for path in plan.search.test_parts.glob("*/*.npy")}
    assert len(after) == 5 and after.items() > before.items()


def test_a_worker_uses_its_machine_as_a_training_does(
    plan: Asked, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(plan, NETS, slots=3, dies_after=1)
    _, prediction = module._begun(plan, NETS)
    asked: list[Setting] = []
    monkeypatch.setattr("trainables.prediction.use_machine", asked.append)
    predict_part(plan.place, plan.search, prediction, (), Setting(threads=2))
    assert asked == [Setting(threads=2)]


def test_the_nets_of_an_ensemble_and_the_best_trial() -> None:
    full, other = Member((4, 4)), Member((2, 7))
    assert fold_nets([full, other], full) == [(4, 0), (4, 1), (2, 0), (7, 1)]
    assert fold_nets([full], other) == [(4, 0), (4, 1), (2, 0)]


def test_workers_write_what_is_predicted_and_the_driver_what_it_was_of() -> None:
    assert _others_write("test_parts/1a/00000032.npy")
    assert not _others_write("test_parts/1a/about.json")
    assert not _others_write("trials/003/fold0/test_probs.npy")
    assert _others_write("trials/003/fold0/pred_probs.npy")
