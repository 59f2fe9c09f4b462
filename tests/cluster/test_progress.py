import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.asha import RungTable
from cluster.live_table import best_of
from cluster.progress import SearchProgress
from search_spaces import load_space
from trainables.bar import bar
from trainables.durations import duration
from trainables.files import save_json
from trainables.layout import SearchFolder


def row(epoch: int, loss: float) -> dict[str, Any]:
    scores = {"val_loss": loss, "val_loss_se": 0.02, "val_accuracy": 1 - loss / 2, "val_accuracy_se": 0.01}
    return {"epoch": epoch, **scores, "seconds": 10.0, "diverged": False}


def of_four_trials(out: Path, table: RungTable) -> SearchProgress:
    """As many are asked for, and none has begun; Ray Tune begins them once their recipes are there."""
    search = SearchFolder(out)
    recipes = load_space("digits").fixed(epochs=9).recipes(4, 0)
    progress = SearchProgress(search, 4, recipes, table, quiet=False)
    for number, recipe in enumerate(recipes):
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
    # two trials that wait, at the two epochs that an ended one took, ten seconds each, two at once
    assert progress.seconds_left() == pytest.approx(2 * 2 * 10 / 2)


def test_the_best_is_the_furthest_first(progress: SearchProgress) -> None:
    progress.on_trial_result(0, [], trial(0), row(3, 0.5))
    progress.on_trial_result(0, [], trial(2), row(2, 0.1))
    assert best_of(progress._seen, "val_loss") == 0
    progress.on_trial_result(0, [], trial(3), {**row(4, 0.1), "diverged": True})
    assert best_of(progress._seen, "val_loss") == 0, "one that diverged is never ranked"


def test_it_is_pickled_without_its_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any output for a terminal
    monkeypatch.setenv("TERM", "xterm")
    table = RungTable(tmp_path / "rungs.json", "val_loss", (2, 6))
    progress = of_four_trials(tmp_path, table)
    assert progress._screen is not None
    assert pickle.loads(pickle.dumps(progress))._screen is None


def test_what_ray_ends_without_a_word_does_not_run_in_the_end(progress: SearchProgress) -> None:
    progress.on_trial_result(0, [], trial(0), row(3, 0.5))
    progress.on_experiment_end([])
    assert progress._seen[0].status == "unfinished"


def test_a_screen_is_drawn_no_oftener_than_twice_a_second_and_not_for_nothing(
    progress: SearchProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, drawn = [0.0], []
    monkeypatch.setattr("cluster.progress.time.monotonic", lambda: now[0])
    progress._screen = SimpleNamespace(draw=lambda *_: drawn.append(now[0]))  # type: ignore[assignment]
    for step in range(40):  # two seconds; a report in each of the first ten steps
        now[0] = 0.05 * step
        if step < 10:
            progress.on_trial_result(0, [], trial(0), row(step + 1, 0.5))
        progress.on_step_end(0, [])
    assert drawn == pytest.approx([0.0, 0.5])


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
