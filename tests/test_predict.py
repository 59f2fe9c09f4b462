"""predict.py on a finished search: the same answer, within a time limit, after an interruption, from a bundle."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pytest

import predict
from trainables.files import load_json

ROOT = Path(__file__).parent.parent
Command = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.slow


def answer_of(path: Path) -> pd.Series:
    return pd.read_csv(path, keep_default_na=False).set_index("image_id")["label"]


def agreed(answer: Path, out: Path) -> bool:
    searched, predicted = answer_of(out / "submission.csv"), answer_of(answer)
    return set(searched.index) == set(predicted.index) and bool((predicted[searched.index] == searched).all())


def test_it_agrees_with_the_search(finished_search: Path, command: Command, tmp_path: Path) -> None:
    answer = tmp_path / "answer.csv"
    done = command("predict.py", finished_search, "--images", finished_search / "data/test_images", "--out", answer)
    assert done.returncode == 0, done.stderr
    assert agreed(answer, finished_search)
    assert "images/s, until" in done.stdout
    assert not list(tmp_path.glob("*.partial"))


def test_bad_input_is_refused(finished_search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_text("text")
    for words, message in (
        ((finished_search, "--images", tmp_path), "a.jpg is not an image"),
        ((tmp_path, "--images", tmp_path), "must be a finished search"),
        ((finished_search, "--images", tmp_path, "--time-limit", "soon"), "--time-limit must be a duration"),
        ((finished_search, "--images", tmp_path, "--bad-images", "skip"), "of 1 in"),
    ):
        assert predict.main([*map(str, words), "--out", str(tmp_path / "answer.csv")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "answer.csv").exists()


def test_a_bad_image_is_answered_by_the_commonest_class(
    finished_search: Path, command_here: Command, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((finished_search / "data/test_images").iterdir())[:5]:
        shutil.copy(path, photos)
    (photos / "torn.png").write_bytes(b"text")
    words = (finished_search, "--images", photos, "--out", tmp_path / "a.csv", "--bad-images", "skip")
    done = command_here("predict.py", *words)
    assert done.returncode == 0, done.stderr
    assert "torn.png is not an image" in done.stderr
    commonest = pd.read_csv(finished_search / "oof.csv")["label"].value_counts().sort_index().idxmax()
    assert answer_of(tmp_path / "a.csv")["torn.png"] == commonest
    assert len(answer_of(tmp_path / "a.csv")) == 6


def test_the_plan_says_what_every_way_costs_and_brings(
    finished_search: Path, command_here: Command, tmp_path: Path
) -> None:
    images = finished_search / "data/test_images"
    words = ("--time-limit", "9h", "--images-count", "15000", "--plan")
    done = command_here("predict.py", finished_search, "--images", images, *words)
    assert done.returncode == 0, done.stderr
    assert "to answer 15000 images" in done.stdout
    marked = re.findall(r"^\* .*( s| min|h \d\d min) +\d\.\d{4} +\d\.\d{4} +\d{3} x \d", done.stdout, re.MULTILINE)
    assert len(marked) == 1, done.stdout
    assert not list(tmp_path.iterdir())


def test_within_a_limit_every_image_has_an_answer(finished_search: Path, command_here: Command, tmp_path: Path) -> None:
    images, answer = finished_search / "data/test_images", tmp_path / "a.csv"
    done = command_here("predict.py", finished_search, "--images", images, "--out", answer, "--time-limit", "9h")
    assert done.returncode == 0, done.stderr
    assert set(answer_of(answer).index) == {path.name for path in images.iterdir()}
    assert "540 images by" in done.stdout


def test_an_interrupted_answer_is_valid_and_goes_on(
    finished_search: Path, command_here: Command, tmp_path: Path
) -> None:
    photos, answer = finished_search / "data/test_images", tmp_path / "a.csv"
    words = [finished_search, "--images", photos, "--out", answer]
    process = subprocess.Popen([sys.executable, "predict.py", *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE)
    while not list(tmp_path.glob("a.csv.partial/*.npy")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert set(answer_of(answer).index) == {path.name for path in photos.iterdir()}
    assert not agreed(answer, finished_search)
    done = command_here("predict.py", *words)
    assert done.returncode == 0, done.stderr
    first = re.findall(r"^predicting: .*", done.stdout, re.MULTILINE)[0]
    assert "about" not in first, "it begins with what was predicted, which takes no time"
    assert agreed(answer, finished_search)


def test_a_bundle_answers_alone(finished_search: Path, command_here: Command, tmp_path: Path) -> None:
    bundle, answer = tmp_path / "bundle", tmp_path / "answer.csv"
    done = command_here("predict.py", finished_search, "--export", bundle)
    assert done.returncode == 0, done.stderr
    assert load_json(bundle / "bundle.json")["fold_hash"] == load_json(finished_search / "folds.json")["hash"]
    suffixes = {path.suffix for path in bundle.rglob("*") if path.is_file()}
    assert suffixes <= {".py", ".json", ".csv", ".npy", ".safetensors", ".txt"}
    assert not {path.name for path in bundle.iterdir()} & {"cluster", "search.py"}

    moved, photos = tmp_path / "elsewhere", finished_search / "data/test_images"
    bundle.rename(moved)
    without_ray = (
        "import sys, runpy; sys.modules['ray'] = None; sys.argv = sys.argv[1:]; sys.path[0] = sys.argv.pop(0);"
    )
    words = [f"{without_ray} runpy.run_path(sys.argv[0], run_name='__main__')", moved, moved / "predict.py"]
    words += ["--images", photos, "--out", answer, "--quiet"]
    alone = subprocess.run(
        [sys.executable, "-c", *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert alone.returncode == 0, alone.stderr
    assert agreed(answer, finished_search)

    weights = next(moved.rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    torn = command_here("predict.py", moved, "--images", photos, "--out", answer)
    assert torn.returncode == 2
    assert f"{weights.relative_to(moved)} has changed" in torn.stderr
