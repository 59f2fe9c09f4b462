"""`--track`: what a tracker is told, once, whatever becomes of it and of the driver."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import pandas as pd
import pytest
from ray.air.integrations import wandb as ray_wandb

from cluster import tracking
from cluster.tracking import AGAIN_AFTER_S, Run, Tracking, check_tracker
from search_spaces import InputError, load_space
from trainables.files import load_json, save_json, write_whole
from trainables.layout import SearchFolder
from trainables.scores import METRICS

RECIPES = load_space("digits").fixed(epochs=4).recipes(3, 0)


def train(search: SearchFolder, number: int, epochs: int, diverged: bool = False) -> None:
    """What a training leaves: a row an epoch, loss 0.9, 0.8, ..."""
    epoch = pd.Series(range(1, epochs + 1))
    scores = {name: 1 - 0.1 * epoch for metric in METRICS for name in (metric, f"{metric}_se")}
    rows = pd.DataFrame({"epoch": epoch, "train_loss": 2.0, **scores, "learning_rate": 0.1, "seconds": 3.0})
    rows["diverged"] = diverged & (epoch == epochs)
    write_whole(search.trial(number).fold(0).metrics, rows.to_csv(index=False))


@pytest.fixture
def search(tmp_path: Path) -> SearchFolder:
    search = SearchFolder(tmp_path / "OUT")
    for number, recipe in enumerate(RECIPES):
        save_json(search.trial(number).recipe, recipe.to_dict())
    return search


class Logger:
    """Of Ray's interface: keeps what each run was told, and is away when it is said to be."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, Any]] = {}
        self.steps: dict[str, list[int]] = {}
        self.told: dict[str, dict[str, Any]] = {}
        self.ended: dict[str, bool] = {}
        self.calls = 0
        self.away = False

    def setup(self) -> None:
        self._answer()

    def log_trial_start(self, trial: Run) -> None:
        self._answer()
        self.configs[trial.trial_id] = trial.config
        self.ended.pop(str(trial), None)

    def log_trial_result(self, iteration: int, trial: Run, result: dict[str, Any]) -> None:
        self._answer()
        self.steps.setdefault(str(trial), []).append(result["training_iteration"])
        self.told[str(trial)] = result

    def log_trial_end(self, trial: Run, failed: bool = False) -> None:
        self._answer()
        self.ended[str(trial)] = failed

    def on_experiment_end(self, trials: list[Any]) -> None:
        self._answer()

    def _answer(self) -> None:
        self.calls += 1
        if self.away:
            raise ConnectionError("nobody listens")


class Driver:
    """Ray Tune's part: trials that train, report and end, in front of a tracker."""

    def __init__(self, search: SearchFolder, logger: Any, tracker: str = "mlflow") -> None:
        self.now = 1000.0
        self.search = search
        self.tracking = Tracking(search, tracker, logger, lambda: self.now)
        self.tracking.setup()

    def trial(self, number: int, first: int, last: int, diverged: bool = False) -> None:
        ray_trial: Any = SimpleNamespace(config={"trial": number})
        self.tracking.on_trial_start(0, [], ray_trial)
        for epoch in range(first, last + 1):
            train(self.search, number, epoch, diverged and epoch == last)
            self.tracking.on_trial_result(0, [], ray_trial, {"epoch": epoch})

    def complete(self, number: int) -> None:
        self.tracking.on_trial_complete(0, [], SimpleNamespace(config={"trial": number}))  # type: ignore[arg-type]

    def fail(self, number: int, given_up: bool) -> None:
        if given_up:
            write_whole(self.search.trial(number).error, "ValueError: no")
        self.tracking.on_trial_error(0, [], SimpleNamespace(config={"trial": number}))  # type: ignore[arg-type]

    def end(self) -> None:
        self.tracking.on_experiment_end([])


SUMMARY = {
    "promoted": [
        {"trial": 0, "cv_accuracy": 0.8, "cv_se": 0.01, "cv_loss": 0.5, "test_accuracy": 0.9},
        {"trial": [0, 1], "cv_accuracy": 0.7, "cv_se": 0.01, "cv_loss": 0.5},
    ],
    "denoised": [],
    "ensemble": {"nested_accuracy": 0.81, "nested_se": 0.01, "members": [0, [0, 1]], "method": "mean"},
    "fold_hash": "f", "metric": "val_loss", "seed": 0, "command": "python search.py",
}  # fmt: skip


def test_a_trial_is_a_run_with_its_whole_recipe_and_each_epoch_once(search: SearchFolder) -> None:
    logger = Logger()
    driver = Driver(search, logger)
    driver.trial(0, 1, 4)
    driver.complete(0)
    driver.trial(1, 1, 2, diverged=True)
    driver.complete(1)
    driver.trial(2, 1, 2)
    driver.end()
    assert logger.steps == {"trial_000": [1, 2, 3, 4], "trial_001": [1, 2], "trial_002": [1, 2]}
    assert logger.ended == {"trial_000": False, "trial_001": True, "trial_002": False}
    assert [*logger.configs.values()] == [recipe.to_dict() for recipe in RECIPES]
    assert logger.told["trial_000"]["val_robust_loss"] == pytest.approx(0.6)
    assert logger.told["trial_000"]["epoch"] == 4


def test_a_later_driver_goes_on_with_the_same_runs(search: SearchFolder) -> None:
    logger = Logger()
    first = Driver(search, logger)
    first.trial(0, 1, 4)
    first.complete(0)
    first.trial(1, 1, 2)
    begun = dict(logger.configs)  # and the driver is killed
    again = Driver(search, logger)
    assert not logger.steps.get("trial_002")
    again.trial(1, 2, 4)  # a training that goes on reports its newest epoch again
    again.complete(1)
    again.end()
    assert logger.configs == begun, "no further run"
    assert logger.steps == {"trial_000": [1, 2, 3, 4], "trial_001": [1, 2, 3, 4]}
    assert logger.ended == {"trial_000": False, "trial_001": False}


def test_who_asks_late_is_told_what_there_is(search: SearchFolder) -> None:
    train(search, 0, 4)
    train(search, 1, 2)
    logger = Logger()
    Driver(search, logger)
    assert logger.steps == {"trial_000": [1, 2, 3, 4]}, "the other has not ended"
    other = Logger()
    Driver(search, other, tracker="wandb")
    assert other.steps == logger.steps, "each tracker has what it has"


def test_an_attempt_that_is_made_again_ends_no_run(search: SearchFolder) -> None:
    logger = Logger()
    driver = Driver(search, logger)
    driver.trial(0, 1, 1)
    driver.fail(0, given_up=False)
    assert not logger.ended
    driver.trial(0, 1, 2)
    driver.fail(0, given_up=True)
    assert logger.ended == {"trial_000": True}
    assert logger.steps == {"trial_000": [1, 2]}
    assert len(logger.configs) == 1


def test_a_tracker_that_is_away_is_borne_and_told_later(
    search: SearchFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = Logger()
    driver = Driver(search, logger)
    driver.trial(0, 1, 2)
    logger.away = True
    driver.trial(0, 3, 4)
    driver.complete(0)
    before = logger.calls
    driver.trial(1, 1, 2)
    assert logger.calls == before, "it is left alone for a while"
    said = capsys.readouterr().out
    assert said.count("note: mlflow cannot be told (nobody listens)") == 1
    driver.now += AGAIN_AFTER_S
    driver.trial(1, 3, 3)
    assert logger.calls > before
    assert not capsys.readouterr().out, "it was said"
    logger.away = False
    driver.now += AGAIN_AFTER_S
    driver.trial(1, 4, 4)
    assert logger.steps == {"trial_000": [1, 2, 3, 4], "trial_001": [1, 2, 3, 4]}
    assert logger.ended == {"trial_000": False}


def test_a_tracker_that_stays_away_ends_nothing_and_a_resume_tells_it(search: SearchFolder) -> None:
    logger = Logger()
    logger.away = True
    driver = Driver(search, logger)
    driver.trial(0, 1, 4)
    driver.complete(0)
    driver.end()
    driver.tracking.tell_summary(SUMMARY)
    assert not logger.steps
    logger.away = False
    Tracking(search, "mlflow", logger).tell_summary(SUMMARY)
    assert logger.steps == {"trial_000": [1, 2, 3, 4, 5], "ensemble": [1]}


def test_one_run_that_it_refuses_does_not_keep_the_others_from_it(search: SearchFolder) -> None:
    logger = Logger()
    plain = logger.log_trial_start

    def refusing(run: Run) -> None:
        if run.name == "trial_000":
            raise ValueError("changed by hand")
        plain(run)

    logger.log_trial_start = refusing  # type: ignore[method-assign]
    driver = Driver(search, logger)
    driver.trial(0, 1, 4)
    driver.now += AGAIN_AFTER_S
    driver.trial(1, 1, 4)
    driver.now += AGAIN_AFTER_S
    driver.trial(1, 4, 4)
    assert logger.steps == {"trial_001": [1, 2, 3, 4]}


def test_the_end_is_told_of_those_with_all_folds_and_of_the_ensemble(search: SearchFolder) -> None:
    logger = Logger()
    train(search, 0, 4)
    for _ in range(2):  # and again by a resume
        Tracking(search, "mlflow", logger).tell_summary(SUMMARY)
    assert logger.steps == {"trial_000": [1, 2, 3, 4, 5], "ensemble": [1, 2]}
    assert logger.told["trial_000"]["cv_accuracy"] == 0.8
    ensemble = logger.told["ensemble"]
    assert (ensemble["nested_accuracy"], ensemble["config"]["members"]) == (0.81, "0, [0, 1]")
    assert set(logger.ended) == {"trial_000", "ensemble"}
    assert load_json(search.tracking)["told"] == {"mlflow": {"trial_000": 5, "ensemble": 2}}


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_what_is_not_installed_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=f"--track {name}: it is not installed in .*; `pip install {name}"):
        check_tracker(name, resume=True)
    monkeypatch.setattr(tracking, "find_spec", find_spec)
    (tmp_path / "leafsearch_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    found = find_spec("leafsearch_folder")
    assert found is not None
    monkeypatch.setattr(tracking, "find_spec", lambda name: found)
    with pytest.raises(InputError, match="not installed"):
        check_tracker(name, resume=True)


# Weights & Biases: Ray's own logger, up to the process that it would start for each run.


@pytest.fixture
def no_wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_wandb, "wandb", SimpleNamespace())
    for name in ("Image", "Video", "WBValue"):
        monkeypatch.setattr(ray_wandb, name, type(name, (), {}), raising=False)
    monkeypatch.setattr(ray_wandb, "json_dumps_safer", str)
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_wandb")
def test_wandb_is_refused_where_nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: SimpleNamespace(origin="there"))
    with pytest.raises(InputError, match="run `wandb login`, set WANDB_API_KEY, or WANDB_MODE=offline"):
        check_tracker("wandb", resume=False)
    check_tracker("wandb", resume=True)
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_tracker("wandb", resume=False)


@pytest.mark.usefixtures("no_wandb")
def test_wandb_gets_runs_that_a_later_driver_goes_on_with(
    search: SearchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster.trackers import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    begun: list[dict[str, Any]] = []
    put: dict[str, list[Any]] = {}

    def start(self: Any, trial: Run, excluded: list[str], **words: Any) -> None:
        begun.append(words)
        self._trial_logging_actors[trial] = None
        self._trial_queues[trial] = SimpleNamespace(put=put.setdefault(str(trial), []).append)

    monkeypatch.setattr(wandb, "_process", lambda of_a_run: of_a_run)
    monkeypatch.setattr(ray_wandb.WandbLoggerCallback, "_start_logging_actor", start)
    monkeypatch.setattr(ray_wandb.WandbLoggerCallback, "_cleanup_logging_actors", lambda self, **_: None)
    for first in (1, 3):
        driver = Driver(search, wandb.logger("digits", "runs/digits"), tracker="wandb")
        driver.trial(0, first, first + 1)
    driver.complete(0)
    assert [each["id"] for each in begun] == [f"{load_json(search.tracking)['id']}-trial_000"] * 2
    assert {each["resume"] for each in begun} == {"allow"}
    assert begun[0]["config"] == RECIPES[0].to_dict()
    assert (begun[0]["project"], begun[0]["group"], begun[0]["name"]) == ("leafsearch", "digits", "trial_000")
    results = [content["training_iteration"] for kind, content in put["trial_000"] if kind.name == "RESULT"]
    assert results == [1, 2, 3, 4]
    assert [kind.name for kind, _ in put["trial_000"]][-1] == "END"


# MLflow, in front of a real server on the loopback.

needs_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="needs MLflow: pip install mlflow-skinny flask")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Server"]:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    server = Server(tmp_path / "server")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    with server.up():
        yield server


class Server:
    """`mlflow server` with a database of its own; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    @contextmanager
    def up(self) -> Iterator[None]:
        words = (
            "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self.folder}/runs.db", "--artifacts-destination", self.folder / "files",
        )  # fmt: skip
        env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "log.txt").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=self.folder, env=env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_until(self._answers, f"no answer; see {self.folder / 'log.txt'}")
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def wait_until(true: Callable[[], bool], otherwise: str, patience_s: float = 300) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)


def runs_of(experiment: str) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert len(by_name) == len(runs), "none twice"
    return by_name


@pytest.mark.slow
@needs_mlflow
def test_mlflow_has_each_trial_once_over_a_resume_and_an_outage(
    search: SearchFolder, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    from cluster.trackers import mlflow

    def logger() -> Any:
        return mlflow.logger("digits", "/runs/digits")

    check_tracker("mlflow", resume=False)
    first = Driver(search, logger())
    first.trial(0, 1, 4)
    first.complete(0)
    first.trial(1, 1, 2)  # and this driver is killed
    again = Driver(search, logger())
    again.trial(1, 2, 4, diverged=True)
    again.complete(1)
    again.trial(2, 1, 2)
    again.end()
    runs = runs_of("digits")
    assert {name: run.info.status for name, run in runs.items()} == {
        "trial_000": "FINISHED",
        "trial_001": "FAILED",
        "trial_002": "FINISHED",
    }
    assert runs["trial_000"].data.params == {name: str(value) for name, value in RECIPES[0].to_dict().items()}
    assert runs["trial_000"].data.tags["leafsearch.out"] == "/runs/digits"
    history = MlflowClient().get_metric_history(runs["trial_001"].info.run_id, "val_robust_loss")
    assert [each.step for each in history] == [1, 2, 3, 4]
    assert [each.value for each in history] == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert not capsys.readouterr().out, "neither a note nor addresses that MLflow likes to print"


@pytest.mark.slow
@needs_mlflow
def test_an_mlflow_server_that_goes_is_borne_and_told_when_it_is_back(
    search: SearchFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cluster.trackers import mlflow

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    server = Server(tmp_path / "server")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    with pytest.raises(InputError, match=f"--track mlflow: {server.uri} does not answer"):
        check_tracker("mlflow", resume=False)
    check_tracker("mlflow", resume=True)
    with server.up():
        driver = Driver(search, mlflow.logger("digits", "/runs/digits"))
        driver.trial(0, 1, 1)
    started = time.monotonic()
    driver.trial(0, 2, 4)
    driver.complete(0)
    assert time.monotonic() - started < 30, "a search is not held up"
    assert capsys.readouterr().out.count("note: mlflow cannot be told") == 1
    with server.up():
        driver.end()
        Tracking(search, "mlflow", mlflow.logger("digits", "/runs/digits")).tell_summary(SUMMARY)
        runs = runs_of("digits")
    assert set(runs) == {"trial_000", "ensemble"}
    assert runs["trial_000"].data.metrics["epoch"] == 4
    assert runs["trial_000"].data.metrics["cv_accuracy"] == 0.8
    assert runs["ensemble"].data.tags["members"] == "0, [0, 1]"
