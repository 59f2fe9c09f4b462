"""benchmarks/gpu.py at tiny sizes and without a GPU: what it compares is comparable."""

import json
import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_limits

from benchmarks import gpu
from search_spaces import Recipe
from trainables import optimizers
from trainables.data.kaggle import load_data
from trainables.setting import Setting

RECIPE = Recipe(
    backbone="test_efficientnet", image_size=32, batch_size=4, learning_rate=1e-3, epochs=9, optimizer="adamw"
)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    with threadpool_limits():
        yield
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = benchmark


def words_of(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """All but the weights: rates, decays, and whether it is fused."""
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def test_of_many_names_most_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_PHOTOS", 2)
    data = gpu.write_photos(tmp_path / "data", 7)
    assert len(data.image_ids) == 7 and len(data.classes) == gpu.CLASSES
    files = {path.stat().st_ino for path in data.train_paths}
    assert len(files) == 2, "as many photos as were made"


@pytest.mark.parametrize("fuses", [False, True])
@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_both_have_the_same_net_and_optimizer(
    kind: str, fuses: bool, stripes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizers, "_fuses", lambda recipe, net: fuses)
    recipe = Recipe.from_dict({**RECIPE.to_dict(), "optimizer": kind})
    ours = gpu.Ours(recipe, load_data(stripes), Setting())
    synthetic = gpu.Synthetic(recipe)
    assert type(synthetic.optimizer) is type(ours.training.optimizer)
    assert words_of(synthetic.optimizer) == words_of(ours.training.optimizer)
    shapes = [
        [[tuple(weight.shape) for weight in group["params"]] for group in each.param_groups]
        for each in (synthetic.optimizer, ours.training.optimizer)
    ]
    assert shapes[0] == shapes[1]


def test_both_train_their_nets(stripes: Path) -> None:
    ours, synthetic = gpu.Ours(RECIPE, load_data(stripes), Setting()), gpu.Synthetic(RECIPE)
    for optimizer, work in (
        (ours.training.optimizer, lambda: ours.epoch()[0]),
        (synthetic.optimizer, lambda: synthetic.take(1)),
    ):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        before = [weight.clone() for weight in weights]
        assert work() > 0
        assert all(not torch.equal(*pair) for pair in zip(before, weights, strict=True))


def test_they_take_turns_and_the_first_epoch_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def epoch() -> tuple[float, float]:
        said.append("ours")
        return 10.0 * said.count("ours"), 0.25

    def take(steps: int) -> float:
        said.append(f"{steps} steps")
        return 100.0

    monkeypatch.setattr(gpu, "Ours", lambda *words: Namespace(epoch=epoch))
    monkeypatch.setattr(gpu, "Synthetic", lambda *words: Namespace(take=take))
    found = gpu.compare(RECIPE, None, Setting(), 8, 2)  # type: ignore[arg-type]
    assert said == ["ours", "2 steps", "ours", "8 steps", "8 steps", "ours"]
    assert [each["ratio"] for each in found] == [0.2, 0.3]


def test_without_a_gpu_it_says_so_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert gpu.main([]) == 2
    assert capsys.readouterr().out.startswith("There is no GPU here")


def test_a_cpu_that_is_asked_for_is_used_whatever_else_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "_PHOTOS", 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: os.environ["CUDA_VISIBLE_DEVICES"] != "")  # as torch does
    few = ("--models", "test_efficientnet=32", "--batch", "2", "--steps", "2", "--rounds", "2", "--loss", "focal")
    assert gpu.main([*few, "--device", "cpu", "--json", str(tmp_path / "found.json")]) == 0
    assert "says nothing about" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["device"] == "CPU"
    (rounds,) = found["rounds"].values()
    assert len(rounds) == 2
    assert all(each["ratio"] == pytest.approx(each["ours"] / each["synthetic"]) for each in rounds)


@pytest.mark.slow
def test_it_runs_with_ray_absent(tmp_path: Path, command: Callable[..., CompletedProcess[str]]) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("raise ModuleNotFoundError('ray is absent')")
    without = {"PYTHONPATH": str(tmp_path)}
    assert command("-c", "import ray", **without).returncode == 1  # the guard works
    done = command("-m", "benchmarks.gpu", "--quick", **without)
    assert done.returncode == 0, done.stderr
    assert "test_efficientnet=64: images/s" in done.stdout
