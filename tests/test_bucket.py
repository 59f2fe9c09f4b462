"""OUT and data in a bucket, on a real S3 endpoint of the loopback: the server of the package moto."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import fs

import analysis
from search_spaces import InputError
from trainables.bucket import Bucket, BucketAway, Copy, is_bucket, patiently
from trainables.data.place import DataPlace, contents_file, fetched_hash
from trainables.layout import is_heavy

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
FLAGS = ("--trials", "3", "--epochs", "3", "--promote", "1", "--folds", "2", "--seed", "1", "--quiet")


class Server:
    """moto's, in a process that can be made to hang."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self.answers():
            assert time.monotonic() < deadline, "moto does not answer"
            time.sleep(0.2)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/moto-api", timeout=2):
                return True
        except OSError:
            return False

    def uri(self, path: str) -> str:
        return f"s3://{path}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    def away(self, seconds: float) -> None:
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        made = Server()
        options = {"endpoint_override": f"127.0.0.1:{made.port}", "scheme": "http", "allow_bucket_creation": True}
        fs.S3FileSystem(region="us-east-1", **options).create_dir("results")
        yield made
        made.process.kill()
        made.process.wait()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_comes_back_as_it_went(server: Server, tmp_path: Path) -> None:
    bucket = Bucket(server.uri("results/files"))
    (tmp_path / "there").write_bytes(os.urandom(9 << 20))
    bucket.upload(tmp_path / "there", "a/b c.bin")
    assert {name: size for name, (size, _) in bucket.states().items()} == {"a/b c.bin": 9 << 20}
    bucket.download("a/b c.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()
    bucket.remove(["a/b c.bin", "never there"])
    assert bucket.states() == {}


def test_a_copy_brings_only_what_changed(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(server.uri("results/copies"))
    mine, theirs = Copy(bucket, tmp_path / "mine"), Copy(bucket, tmp_path / "theirs")
    (tmp_path / "mine" / "sub").mkdir(parents=True)
    (tmp_path / "mine" / "one").write_text("1")
    (tmp_path / "mine" / "sub" / "two").write_text("2")
    mine.push()
    theirs.pull(but=lambda name: name == "one")
    assert [path.name for path in (tmp_path / "theirs").rglob("*") if path.is_file()] == ["two"]
    (tmp_path / "mine" / "sub" / "two").write_text("3")  # as long as before
    (tmp_path / "mine" / "one").unlink()
    before = bucket.states()
    mine.push()
    theirs.pull()
    assert (tmp_path / "theirs" / "sub" / "two").read_text() == "3"
    assert set(bucket.states()) == {"sub/two"} != set(before)
    monkeypatch.setattr("trainables.bucket._SETTLED_AFTER_S", 0.0)  # S3 dates files by the second
    theirs.pull()
    (tmp_path / "theirs" / "sub" / "two").unlink()
    theirs.pull()
    assert not (tmp_path / "theirs" / "sub" / "two").exists()  # unchanged there, so not brought again


def test_a_misspelt_bucket_is_refused_at_once(server: Server) -> None:
    started = time.monotonic()
    with pytest.raises(InputError, match=r"--out: s3://nowhere/.* cannot be written"):
        Bucket(server.uri("nowhere/out")).check("--out")
    with pytest.raises(InputError, match=r"s3://nowhere/.* holds no search"):
        analysis.load(server.uri("nowhere/out"))
    assert time.monotonic() - started < 20


def test_what_fails_is_tried_again_and_what_is_not_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("trainables.bucket.time.sleep", waits.append)
    answers = iter([OSError("away"), OSError("away"), "here"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert patiently(ask, "asking") == "here"
    assert waits == [0.5, 1.0]
    with pytest.raises(FileNotFoundError):
        patiently(lambda: Path("nowhere").read_text(), "reading")
    assert waits == [0.5, 1.0]
    monkeypatch.setattr("trainables.bucket.PATIENCE_S", 0.1)
    with pytest.raises(BucketAway, match=r"asking failed for 0 s: away"):
        patiently(lambda: (_ for _ in ()).throw(OSError("away")), "asking")


def test_what_is_a_bucket() -> None:
    assert is_bucket("s3://a/b")
    assert is_bucket("gs://a")
    assert not is_bucket("/s3/a")


def test_data_are_fetched_once_and_go_by_their_contents(server: Server, stripes: Path) -> None:
    Copy(Bucket(server.uri("results/data")), stripes).push()
    place = DataPlace(server.uri("results/data"))
    folder = place.here()
    fetched = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert fetched == {path.relative_to(stripes): path.read_bytes() for path in stripes.rglob("*") if path.is_file()}
    marked = contents_file(folder).stat().st_mtime_ns
    assert place.here() == folder
    assert contents_file(folder).stat().st_mtime_ns == marked
    first = fetched_hash(folder)
    contents_file(folder).unlink()
    next((folder / "train_images").iterdir()).write_bytes(b"spoilt")
    assert fetched_hash(place.here()) == first  # without the mark it is fetched anew


def searched(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "search.py", *FLAGS, *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "RAY_ADDRESS": "local"})


def numbers(table: bytes | Path) -> pd.DataFrame:
    return pd.read_csv(table).drop(columns=["seconds", "score_s", "images_per_s", "data_wait", "ended_at"])


def test_a_search_in_a_bucket_is_the_same_search(server: Server, tmp_path: Path, stripes: Path) -> None:
    """Its endpoint hangs for a while in mid-search; then another driver, on another machine, finds it finished."""
    data, out = server.uri("results/stripes"), server.uri("results/search")
    Copy(Bucket(data), stripes).push()
    wanted = searched("--data", str(stripes), "--out", str(tmp_path / "plain"), "--concurrent", "1")
    assert wanted.returncode == 0, wanted.stderr
    command = [sys.executable, "search.py", *FLAGS, "--data", data, "--out", out, "--concurrent", "1"]
    env = {**os.environ, "RAY_ADDRESS": "local"}
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    bucket = Bucket(out)
    while "trials/000/fold0/checkpoint.safetensors" not in bucket.states() and driver.poll() is None:
        time.sleep(0.2)
    server.away(15)
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    copy = Copy(bucket, tmp_path / "home")
    copy.pull()
    for table in (tmp_path / "plain").glob("trials/*/fold*/metrics.csv"):
        there = tmp_path / "home" / table.relative_to(tmp_path / "plain")
        pd.testing.assert_frame_equal(numbers(there), numbers(table))
    for name in ("rungs.json", "standings.json", "ensemble.json", "submission.csv"):
        assert (tmp_path / "home" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes(), name
    heavy = [name for name in bucket.states("trials") if is_heavy(name.rpartition("/")[2])]
    assert {name.split("/")[1] for name in heavy} == {f"{number:03d}" for number in promoted(tmp_path / "plain")}
    read, kept = analysis.load(out), analysis.load(tmp_path / "plain")
    pd.testing.assert_frame_equal(read.predictions, kept.predictions)
    pd.testing.assert_frame_equal(read.rungs, kept.rungs)
    assert not [path.name for path in read.search.path.rglob("*") if is_heavy(path.name)]
    bucket.remove(["trials/002/recipe.json"])
    assert len(analysis.load(out).trials) == 2, "a copy holds nothing that is gone there"
    with pytest.raises(InputError, match=r"holds no search"):
        analysis.load(server.uri("results/empty"))
    bucket.upload(tmp_path / "plain/trials/002/recipe.json", "trials/002/recipe.json")
    again = searched("--data", data, "--out", out)
    assert again.returncode == 2
    assert "holds a search already" in again.stderr


def promoted(out: Path) -> list[int]:
    return pd.read_json(out / "promoted.json", typ="series").tolist()


def test_a_driver_that_dies_is_followed_by_one_elsewhere(
    server: Server, tmp_path: Path, stripes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = server.uri("results/images"), server.uri("results/killed")
    Copy(Bucket(data), stripes).push()
    command = [sys.executable, "search.py", *FLAGS, "--data", data, "--out", out]
    env = {**os.environ, "RAY_ADDRESS": "local"}
    with (tmp_path / "said").open("w") as log:
        driver = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=env)
    bucket = Bucket(out)
    while "trials/000/fold0/checkpoint.safetensors" not in bucket.states() and driver.poll() is None:
        time.sleep(0.2)
    driver.kill()
    driver.wait()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    refused = searched("--data", data, "--out", out, "--resume")
    assert refused.returncode == 2
    assert "is being written by process" in refused.stderr
    bucket.remove(["driver.json"])  # as the message says
    resumed = searched("--data", data, "--out", out, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "report.html" in bucket.states()
    assert "driver.json" not in bucket.states()
