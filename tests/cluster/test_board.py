"""TensorBoard's pages of a search, from folders as trainings leave them: the files, and what a browser shows."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata

from benchmarks import browser
from cluster.board.best_so_far import BestSoFar, trained_hours
from cluster.board.board import Board
from cluster.board.trial_page import cross_validated, promoted_pages
from cluster.plan import Plan
from search_spaces import Recipe, Space
from search_spaces.parameters import parameters
from search_spaces.ranges import Choice, LinearScaling, Only, Uniform
from trainables.data.folds import Folds
from trainables.data.kaggle import ImageData, load_data
from trainables.files import save_array, save_json, write_whole
from trainables.layout import FoldFolder, SearchFolder
from trainables.scores import METRICS, shown, validation
from trainables.tensorboard import Curves
from trainables.trial import load_recipe

COUNT, EPOCHS = 2, 6

SPACE = Space(
    name="conditional",
    fields={
        "backbone": "test_resnet",
        "image_size": Choice(32, 48),
        "batch_size": 8,
        "learning_rate": LinearScaling(base=1e-3, per=8),
        "loss": Choice("bi_tempered", "focal"),
        "t1": Only(Uniform(0.5, 1.0), loss="bi_tempered"),
        "focal_gamma": Only(Choice(1.0, 3.0), loss="focal"),
        "seed": 0,
    },
    known_good=(
        {"image_size": 32, "learning_rate": 1e-3, "loss": "bi_tempered", "t1": 0.8, "clip_norm": 1.0},
        {"image_size": 64, "learning_rate": 5e-3, "loss": "focal", "focal_gamma": 3.0},
    ),
    trials=3,
    epochs=EPOCHS,
    promote=1,
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What TensorBoard's pages read of a plan."""

    search: SearchFolder
    data: ImageData
    folds: Folds
    space: Space = SPACE
    metric: str = "val_nll"
    denoise: str = "none"
    rungs: tuple[int, ...] = (2,)
    epochs: int = EPOCHS
    began: float = field(default_factory=time.time)

    def begin(self, number: int) -> Recipe:
        """A trial has its recipe, and no epoch."""
        recipe = self.space.recipes(number + 1, 0)[number]
        save_json(self.search.trial(number).recipe, recipe.to_dict())
        return recipe

    def train(self, number: int, sure: list[float], fold: int = 0) -> None:
        """All epochs of a fold so far, in each of which the right class has this probability."""
        rows = self.folds.split(fold)[1]
        own: FoldFolder = self.search.trial(number).fold(fold)
        table = [self._row(epoch, saying(p, self.data.labels[rows]), rows) for epoch, p in enumerate(sure, start=1)]
        write_whole(own.metrics, pd.DataFrame(table).to_csv(index=False))
        curves = Curves(own.path, load_recipe(self.search.trial(number)), 1)
        for row in table:
            curves.add(row)
        curves.close()
        save_array(own.pred_probs, saying(sure[-1], self.data.labels[rows]))
        if len(sure) == self.epochs:
            write_whole(own.weights, "net")

    def _row(self, epoch: int, probs: NDArray[np.float64], rows: NDArray[np.int64]) -> dict[str, Any]:
        scores = validation(probs, self.data.labels[rows])
        others = {"train_loss": 1.0, "val_loss_raw": 1.0, "learning_rate": 1e-3, "images_per_s": 10.0, "data_wait": 0.1}
        others |= {"seconds": 36.0, "ended_at": self.began + 36 * epoch, "fold_hash": self.folds.hash}
        return {"epoch": epoch, **scores, **others, "diverged": False}

    def stop(self, **stopped: int) -> None:
        save_json(self.search.rungs, {"values": {}, "stopped": {name[1:]: epoch for name, epoch in stopped.items()}})


def saying(sure: float, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(np.eye(2)[labels] > 0, sure, 1 - sure)


@pytest.fixture
def asked(stripes: Path, tmp_path: Path) -> Asked:
    """Trial 0 was stopped at epoch 2, trial 1 trained on and was best at epoch 5, trial 2 has just begun."""
    folds = Folds(COUNT, 0, "d", np.arange(16) // 8, np.ones(16, np.bool_))
    asked = Asked(SearchFolder(tmp_path / "OUT"), load_data(stripes), folds)
    for number in range(3):
        asked.begin(number)
    asked.train(0, [0.6, 0.55])
    asked.train(1, [0.5, 0.6, 0.7, 0.8, 0.9, 0.85])
    asked.stop(t0=2)
    return asked


@pytest.fixture
def plan(asked: Asked) -> Plan:
    return cast(Plan, asked)


def read(search: SearchFolder) -> EventMultiplexer:
    return EventMultiplexer().AddRunsFromDirectory(str(search.path)).Reload()


def last(events: EventMultiplexer, run: str, tag: str) -> float:
    return (
        events.Tensors(run, tag)[-1].tensor_proto.float_val[0]
        if tag in events.Runs()[run]["tensors"]
        else (events.Scalars(run, tag)[-1].value)
    )


def hparams(events: EventMultiplexer, run: str) -> dict[str, bytes]:
    found: dict[str, bytes] = events.PluginRunToTagToContent("hparams")[run]
    return found


def test_the_columns_are_the_union_before_any_trial_ends(plan: Plan) -> None:
    Board(plan)
    content = hparams(read(plan.search), "search")[metadata.EXPERIMENT_TAG]
    infos = {info.name: info for info in metadata.parse_experiment_plugin_data(content).hparam_infos}
    assert set(infos) == {each.name for each in parameters(SPACE)} | {"denoise"}
    assert {"t1", "focal_gamma", "clip_norm"} <= set(infos), "conditional ones, and one of a known recipe alone"
    varying = {"image_size", "learning_rate", "loss", "t1", "focal_gamma", "clip_norm"}
    assert {name for name, info in infos.items() if info.differs} == varying
    assert [value.number_value for value in infos["image_size"].domain_discrete.values] == [32, 48, 64]
    interval = infos["learning_rate"].domain_interval
    assert (interval.min_value, interval.max_value) == pytest.approx((0.5e-3, 5e-3))


def test_a_trial_is_a_row_as_soon_as_it_begins(plan: Plan) -> None:
    Board(plan).look()
    events = read(plan.search)
    rows = {}
    for number in range(3):
        content = hparams(events, f"trials/{number:03d}")
        start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
        assert start.group_name == f"{number:03d}"
        rows[number] = dict(start.hparams.items())
        assert (metadata.SESSION_END_INFO_TAG in content) == (number < 2)
    assert rows[0]["t1"].number_value == 0.8
    assert "t1" not in rows[1] and "focal_gamma" not in rows[0], "what a recipe does not have leaves its cell empty"
    assert rows[1]["focal_gamma"].number_value == 3.0


def test_metrics_are_of_the_best_epoch_and_grow_while_it_trains(plan: Plan, asked: Asked) -> None:
    board = Board(plan)
    board.look()
    events = read(plan.search)
    assert last(events, "trials/001", "best/epoch") == 5
    assert last(events, "trials/001", "best/val_nll") == pytest.approx(-np.log(0.9), abs=1e-5)
    assert last(events, "trials/000", "best/epoch") == 1
    assert "best/epoch" not in events.Runs()["trials/002"]["scalars"]
    asked.train(2, [0.7])
    board.look()
    assert last(read(plan.search), "trials/002", "best/val_nll") == pytest.approx(-np.log(0.7), abs=1e-5)


def test_the_search_has_its_own_page(plan: Plan) -> None:
    Board(plan).look()
    events = read(plan.search)
    points = events.Scalars("search", "best_val_nll/by_epochs")
    assert [point.step for point in points] == list(range(1, 9))
    assert [point.value for point in points] == sorted((point.value for point in points), reverse=True)
    hours = events.Scalars("search", "best_val_nll/by_hours_x1000")
    assert [point.step for point in hours] == [10, 10, 20, 20, 30, 40, 50, 60], "36 s are a hundredth of an hour"
    assert [(point.step, point.value) for point in events.Scalars("search/rungs", "rungs/trials_alive")] == [
        (2, 2),
        (6, 1),
    ]


def test_the_next_driver_repeats_nothing(plan: Plan, asked: Asked) -> None:
    Board(plan).close()
    asked.train(2, [0.7, 0.7])
    Board(plan).close()
    events = read(plan.search)
    assert [point.step for point in events.Scalars("trials/001", "best/epoch")] == list(range(1, 7))
    assert [point.step for point in events.Scalars("search", "best_val_nll/by_epochs")] == list(range(1, 11))
    assert [(point.step, point.value) for point in events.Scalars("search/rungs", "rungs/trials_alive")] == [
        (2, 3),
        (6, 1),
    ]


def test_the_leader_has_pictures(plan: Plan) -> None:
    Board(plan).look()
    events = read(plan.search)
    assert events.Runs()["trials/001"]["images"] == ["fold_0/confusion", "fold_0/worst_images"]
    assert not events.Runs()["trials/000"]["images"]


def test_an_image_that_cannot_be_read_ends_no_search(
    plan: Plan, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in asked.data.train_paths:
        path.unlink()
    Board(plan).look()
    assert read(plan.search).Runs()["trials/001"]["images"] == ["fold_0/confusion"]
    assert "TensorBoard shows no worst images of trial 001" in capsys.readouterr().out


def test_cross_validation_shows_as_folds_end(plan: Plan, asked: Asked) -> None:
    Board(plan).close()
    with promoted_pages(plan, [1, 1]) as look:
        look()
        assert "cv/folds" not in read(plan.search).Runs()["trials/001"]["scalars"]
        asked.train(1, [0.5, 0.6, 0.7, 0.8, 0.9, 0.6], fold=1)
        look()
        events = read(plan.search)
        assert last(events, "trials/001", "cv/folds") == 2
        assert last(events, "trials/001", "cv/val_nll") == pytest.approx(-np.log(0.85 * 0.6) / 2, abs=1e-5)
        assert last(events, "trials/001", "best/epoch") == 5, "the search's part stays"
    assert {"fold_0/worst_images", "out_of_fold/confusion", "out_of_fold/worst_images"} <= set(
        read(plan.search).Runs()["trials/001"]["images"]
    )


def test_a_cross_validated_score_weighs_images_alike(plan: Plan, asked: Asked) -> None:
    uneven = Folds(2, 0, "d", np.array([0] * 4 + [1] * 12), np.ones(16, np.bool_))
    other = Asked(asked.search, asked.data, uneven)
    for fold, sure in ((0, 0.9), (1, 0.6)):
        other.train(1, [sure] * EPOCHS, fold)
    found = cross_validated(cast(Plan, other), 1, [0, 1])
    assert found["val_nll"] == pytest.approx(-(4 * np.log(0.9) + 12 * np.log(0.6)) / 16)
    assert (found["val_accuracy"], found["val_accuracy_se"], found["folds"]) == (1, 0, 2)


def test_hours_count_what_ran_side_by_side_once_and_pauses_not() -> None:
    hour = 3600.0
    ends, seconds = np.array([1, 2, 12, 11.5]) * hour, np.array([1, 2, 2, 0.5]) * hour  # two, a pause, two
    assert trained_hours(ends, seconds) == pytest.approx([1, 2, 4, 3.5])


def test_the_best_so_far_takes_no_number_of_who_diverged() -> None:
    def row(ended_at: float, value: float, diverged: bool = False) -> dict[str, float]:
        return {"ended_at": ended_at, "seconds": 1.0, "val_accuracy": value, "diverged": diverged}

    best = BestSoFar("val_accuracy")
    assert np.isnan(best.add([row(1, 0.9, diverged=True)])[0].best)
    assert [point.best for point in best.add([row(3, 0.6), row(2, 0.5)])] == [0.5, 0.6]
    assert best.add([row(4, float("nan"))])[0][::2] == (4, 0.6)
    assert best.add([]) == []


def test_ray_pickles_nothing_of_it(plan: Plan) -> None:
    assert vars(pickle.loads(pickle.dumps(Board(plan)))) == {}


METRIC_COLUMNS = {
    *(f"{which} {name}" for which in ("best", "CV") for name in METRICS),
    *(f"newest {name}" for name in shown("val_nll")),
    *(f"CV {name}_se" for name in shown("val_nll")),
    "best epoch",
    "CV folds",
}


@pytest.mark.slow
@pytest.mark.skipif(browser.missing() is not None, reason=browser.missing() or "")
@pytest.mark.parametrize("loading", ["--load_fast=auto", "--load_fast=false"])  # TensorBoard reads events in two ways
def test_a_browser_shows_every_parameter_and_what_is_new(plan: Plan, asked: Asked, loading: str) -> None:
    board = Board(plan)
    board.look()
    with browser.tensorboard(plan.search.path, loading) as address, browser.tab() as tab:
        table = hparams_table(tab, address, lambda table: len(table) == 3 and table["001"]["newest val_nll"])
        assert set(table["000"]) == {each.name for each in parameters(SPACE)} | {"denoise"} | METRIC_COLUMNS
        assert (table["000"]["t1"], table["000"]["focal_gamma"]) == ("0.80000", "")
        assert (table["001"]["t1"], table["001"]["focal_gamma"]) == ("", "3.0000")
        assert (table["001"]["best epoch"], table["001"]["best val_nll"]) == ("5.0000", "0.10536")
        assert (table["001"]["newest val_nll"], table["001"]["CV val_nll"]) == ("0.16252", "")
        assert (table["002"]["loss"], table["002"]["best epoch"]) == ("bi_tempered", "")

        asked.train(2, [0.7])
        board.close()
        with promoted_pages(plan, [1]) as look:
            asked.train(1, [0.5, 0.6, 0.7, 0.8, 0.9, 0.6], fold=1)
            look()
        asked.begin(3)
        Board(plan).close()
        table = hparams_table(tab, address, lambda table: "003" in table and table["001"]["CV folds"])
        assert (table["002"]["best epoch"], table["003"]["best epoch"]) == ("1.0000", "")
        assert (table["001"]["CV folds"], table["001"]["CV val_nll"]) == ("2.0000", "0.33667")


def hparams_table(
    tab: browser.Tab, address: str, ready: Callable[[dict[str, dict[str, str]]], object]
) -> dict[str, dict[str, str]]:
    """Cells by trial and column, with all columns ticked, once TensorBoard has read what the test waits for."""
    boxes = "everywhere('.hparam-checkbox, .metric-checkbox')"
    rows = (
        "everywhere('vaadin-grid').flatMap(g => [...g.shadowRoot.querySelectorAll('#header tr, #items tr')])"
        ".map(row => [...row.querySelectorAll('slot')].map(s => s.assignedNodes().map(n => n.textContent).join('')))"
    )
    while True:  # ended by the test's own time limit
        tab.open(f"{address}/#hparams")
        tab.until(f"{boxes}.length > 0")
        tab.ask(f"{boxes}.filter(box => !box.checked).forEach(box => box.click())")
        tab.until(f"{rows}.length > 1 && {rows}[0].length == {boxes}.length + 2")
        head, *body = [[cell.strip() for cell in row] for row in tab.ask(rows)]
        table = {row[0]: dict(zip(head[2:], row[2:], strict=False)) for row in body if row[0]}
        if ready(table):
            return table
