"""Shared by all tests: a tiny folder of images with known truth, and one small search that is run once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import predict
import search

ROOT = Path(__file__).parent.parent

os.environ.pop("FORCE_COLOR", None)  # rich would take every output for a terminal
os.environ.setdefault("RAY_ADDRESS", "local")  # or one test's search would join another's Ray
Command = Callable[..., "subprocess.CompletedProcess[str]"]

SEARCH_FLAGS = ("--trials", "4", "--epochs", "3", "--promote", "2", "--folds", "3", "--seed", "1")


def write_stripes(root: Path, per_class: int = 8, test: int = 4, size: int = 16) -> Path:
    """Two classes that anybody can tell apart, horizontal and vertical stripes, in the Kaggle layout."""
    rng = np.random.default_rng(0)
    (root / "train_images").mkdir(parents=True)
    (root / "test_images").mkdir()

    def image(path: Path, label: int) -> None:
        pixels = rng.integers(0, 60, (size, size, 3), dtype=np.uint8)
        pixels[(slice(None, None, 4), slice(None)) if label == 0 else (slice(None), slice(None, None, 4))] = 255
        cv2.imwrite(str(path), pixels)

    rows = [(f"train_{number}.png", number % 2) for number in range(2 * per_class)]
    for name, label in rows:
        image(root / "train_images" / name, label)
    tests = [f"test_{number}.png" for number in range(test)]
    for number, name in enumerate(tests):
        image(root / "test_images" / name, number % 2)
    (root / "train.csv").write_text("image_id,label\n" + "".join(f"{name},{label}\n" for name, label in rows))
    (root / "sample_submission.csv").write_text("image_id,label\n" + "".join(f"{name},0\n" for name in reversed(tests)))
    (root / "label_num_to_disease_map.json").write_text(json.dumps({"0": "across", "1": "down"}))
    return root


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests fetch or decode is not kept for their user; processes that they start inherit it."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def stripes_in() -> Callable[..., Path]:
    """`write_stripes`, for fixtures that outlive a test."""
    return write_stripes


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """A fresh data folder of 16 labelled images and 4 to predict, in reverse order in the sample."""
    return write_stripes(tmp_path / "stripes")


@pytest.fixture
def more_stripes(tmp_path: Path) -> Path:
    """20 labelled images and 10 to predict, of which a few may be bad."""
    return write_stripes(tmp_path / "more stripes", per_class=10, test=10)


@pytest.fixture
def many_stripes(tmp_path: Path) -> Path:
    """200 labelled images: an epoch of them takes a moment."""
    return write_stripes(tmp_path / "many_stripes", per_class=100)


@pytest.fixture(scope="session")
def command() -> Command:
    """Runs `python ARGUMENTS` at the project's root and returns what it printed, without judging the exit code."""

    def run(*arguments: str | Path, timeout_s: float = 400, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, *map(str, arguments)]
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment}
        return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout_s)

    return run


@pytest.fixture
def command_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """As `command` for search.py and predict.py, in this process, which has imported all that they need."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # for Ray's workers
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        words = [*map(str, arguments)]
        code = {"search.py": search, "predict.py": predict}[script].main(words)
        return subprocess.CompletedProcess([script, *words], code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def finished_search(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """OUT of a whole search on digits: 4 trials of 3 epochs, 2 promoted to 3 folds."""
    out = tmp_path_factory.mktemp("search") / "OUT"
    done = command("search.py", "--out", out, *SEARCH_FLAGS)
    assert done.returncode == 0, done.stdout + done.stderr
    (out / "terminal.txt").write_text(done.stdout)
    return out
