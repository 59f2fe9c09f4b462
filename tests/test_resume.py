"""Searches that die, are edited, or run out of budget, and go on: whole commands on tiny images."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from trainables.files import load_json
from trainables.layout import FoldFolder, SearchFolder
from trainables.trial import load_epochs, load_trials

ROOT = Path(__file__).parent.parent
Command = Callable[..., CompletedProcess[str]]
pytestmark = pytest.mark.slow

SMALL = ("--set", "backbone=test_resnet", "image_size=32", "batch_size=16")
_PATIENCE_S = 300


def started(root: Path, *flags: str | Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "search.py", *map(str, flags), "--quiet"]
    return subprocess.Popen(words, cwd=root, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, start_new_session=True)


def epochs_of(search: SearchFolder) -> dict[str, list[tuple[int, float]]]:
    """Of every fold folder: its epochs and when each ended; an epoch that is trained again has another time."""
    folders = [FoldFolder(path) for path in sorted(search.path.glob("trials/*/fold*"))]
    tables = {str(folder.path.relative_to(search.trials)): load_epochs(folder) for folder in folders}
    return {name: list(zip(t["epoch"], t["ended_at"], strict=True)) for name, t in tables.items() if len(t)}


def while_it_runs(driver: subprocess.Popen[bytes]) -> Iterator[None]:
    """Looks at it until it ends."""
    deadline = time.monotonic() + _PATIENCE_S
    while driver.poll() is None:
        assert time.monotonic() < deadline
        yield
        time.sleep(0.02)


def test_sixty_trials_on_two_slots_through_two_deaths(stripes: Path, tmp_path: Path) -> None:
    """Ended trials stay as they are, rungs hold what was reported there, and weights never pile up."""
    out, promote, slots = SearchFolder(tmp_path / "OUT"), 3, 2
    flags = ("--data", stripes, "--out", out.path, "--trials", "60", "--epochs", "3", "--folds", "2", *SMALL)
    most, ended = 0, dict[str, list[tuple[int, float]]]()
    for deaths, until in enumerate((20, 40, 10**9)):
        driver = started(ROOT, *flags, "--promote", str(promote), *(["--resume"] if deaths else []))
        for _ in while_it_runs(driver):
            heavy = {path.parent.parent for path in out.path.glob("trials/*/fold0/*.safetensors")}
            most = max(most, len(heavy))
            if len(out.trial_numbers()) > until:
                os.kill(driver.pid, signal.SIGKILL)
        assert driver.wait() == (-signal.SIGKILL if until < 100 else 0)
        numbers = [trial.number for trial in load_trials(out) if trial.judged]
        now = epochs_of(out)  # after that: a training outlives its driver for a moment
        assert {name: now[name] for name in ended} == ended, "an ended trial was trained again"
        ended = {f"{number:03d}/fold0": now[f"{number:03d}/fold0"] for number in numbers}
    assert len(load_trials(out)) == len(load_json(out.standings)) == 60
    assert slots < most <= slots + promote + 1, "of those that run, the best that ended, and one that is being judged"
    kept = {path.parent.parent.name for path in out.path.glob("trials/*/fold0/epoch*")}
    assert kept == {f"{number:03d}" for number in load_json(out.promoted)}, "epochs of losers are compared with nothing"
    values = load_json(out.rungs)["values"]
    assert set(values) == {"2"}
    reported = {str(t.number): t.epochs.set_index("epoch")["val_robust_loss"] for t in load_trials(out)}
    assert {number: reported[number][2] for number in values["2"]} == values["2"]


def test_an_edit_in_mid_search_changes_nothing_and_a_budget_can_grow(
    stripes: Path, tmp_path: Path, command: Command
) -> None:
    copy = tmp_path / "copy"
    for name in ("search_spaces", "trainables", "cluster", "analysis", "search.py", "pyproject.toml"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, _made(copy) / name)
    out = SearchFolder(tmp_path / "OUT")
    flags = ("--data", stripes, "--out", out.path, "--epochs", "3", "--folds", "2", "--promote", "1", *SMALL)
    flags = (
        *flags,
        "--concurrent",
        "1",
    )  # of this seed another trial leads in the last epoch, when its folds are too many
    edited = copy / "trainables" / "layout.py"  # which all import, and flags first
    whole = edited.read_text()
    driver = started(copy, *flags, "--epoch-budget", "14")
    for _ in while_it_runs(driver):
        if epochs_of(out) and edited.read_text() == whole:
            edited.write_text(f"{whole}\nraise RuntimeError('edited in mid-search')\n")
    assert driver.wait() == 0
    assert sum(map(len, epochs_of(out).values())) in (13, 14)
    code = {hash_ for trial in load_trials(out) for hash_ in trial.epochs["code_hash"]}
    assert code == {load_json(out.search)["code_hash"]}

    more = (sys.executable, "search.py", *map(str, flags), "--epoch-budget", "20", "--resume", "--quiet")
    refused = subprocess.run(more, cwd=copy, capture_output=True, text=True)
    assert refused.returncode != 0  # the edited file cannot even be imported
    edited.write_text(f"{whole}\n# edited\n")
    refused = subprocess.run(more, cwd=copy, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--accept-changed-code goes on\n  - leafsearch was" in refused.stderr
    edited.write_text(whole)
    done = subprocess.run(more, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sum(map(len, epochs_of(out).values())) in (19, 20)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
