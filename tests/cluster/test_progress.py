import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.asha import RungTable
from cluster.progress import SearchProgress
from search_spaces import load_space
from trainables.bar import bar
from trainables.durations import duration
from trainables.layout import SearchFolder, save_json


def row(epoch: int, loss: float) -> dict[str, Any]:
    scores = {"val_loss": loss, "val_loss_se": 0.02, "val_accuracy": 1 - loss / 2, "val_accuracy_se": 0.01}
    return {"epoch": epoch, **scores, "seconds": 10.0, "diverged": False}


def of_four_trials(out: Path, table: RungTable) -> SearchProgress:
    """As many are asked for, and none has begun; Ray Tune begins them once their recipes are there."""
    search = SearchFolder(out)
    progress = SearchProgress(search, asked=4, table=table, slots=2, quiet=False)
    for number, recipe in enumerate(load_space("digits").fixed(epochs=9).recipes(4, 0)):
        save_json(search.trial(number).recipe, recipe.to_dict())
    return progress


@pytest.fixture
def progress(tmp_path: Path) -> SearchProgress:
    table = RungTable(tmp_path / "rungs.json", "val_loss", (2, 6), stopped={1: 2})
    return of_four_trials(tmp_path, table)


def trial(number: int) -> Any:
    return SimpleNamespace(config={"trial": number})


def test_plain_lines_tell_rung_best_and_time_left(progress: SearchProgress, capsys: pytest.CaptureFixture[str]) -> None:
    for number, loss in ((0, 0.4), (1, 0.8)):
        progress.on_trial_start(0, [], trial(number))
        progress.on_trial_result(0, [], trial(number), row(2, loss))
    progress.on_trial_complete(0, [], trial(1))
    printed = capsys.readouterr().out
    assert "trial 001  stopped   epoch 2/9  val_loss 0.8000 ± 0.0200" in printed
    assert "1/4 trials, best val_loss 0.4000 (trial 000), about" in printed
    # two trials that wait, at the two epochs that an ended one took, ten seconds each, on two slots
    assert progress.seconds_left() == pytest.approx(2 * 2 * 10 / 2)


def test_the_best_is_the_furthest_first(progress: SearchProgress) -> None:
    progress.on_trial_result(0, [], trial(0), row(3, 0.5))
    progress.on_trial_result(0, [], trial(2), row(2, 0.1))
    assert progress.best_so_far() == 0


def test_it_is_pickled_without_its_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any output for a terminal
    table = RungTable(tmp_path / "rungs.json", "val_loss", (2, 6))
    progress = of_four_trials(tmp_path, table)
    assert progress._live is not None
    assert pickle.loads(pickle.dumps(progress))._live is None


def test_a_small_screen_shows_what_runs_and_then_the_best(progress: SearchProgress) -> None:
    for number, epoch, loss in ((0, 2, 0.5), (1, 2, 0.3), (2, 6, 0.9)):
        progress.on_trial_result(0, [], trial(number), row(epoch, loss))
        progress.on_trial_complete(0, [], trial(number))
    progress.on_trial_start(0, [], trial(3))
    assert progress.ranked() == [3, 2, 1, 0]


def test_the_table_shows_the_rung(progress: SearchProgress) -> None:
    progress.on_trial_result(0, [], trial(0), row(3, 0.5))
    assert progress._cells(0)[-4:] == ["3/9", "2", "0.5000 ± 0.0200", "0.7500 ± 0.0100"]


def test_a_bar_without_a_terminal_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("baking", quiet=False) as update:
        for done in range(1, 101):
            update(done, 100)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1] == "baking: 100/100"
    with bar("baking", quiet=True) as update:
        update(1, 1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("seconds", "text"), [(42.4, "42 s"), (200, "3 min"), (3900, "1 h 05 min")])
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text
