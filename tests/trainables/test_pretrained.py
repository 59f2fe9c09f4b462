"""Pretrained weights are read once by a process, and are those that timm would load."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import load_state_dict

from search_spaces import Recipe
from trainables import pretrained
from trainables.backbones import Net, starting_net
from trainables.pretrained import Weights, weights_of_file

RECIPE = Recipe(
    backbone="test_resnet", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1, pretrained=True, loss="focal"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet", num_classes=7).state_dict(), tmp_path / "test_resnet.safetensors")
    return tmp_path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read, in turn."""
    read: list[str] = []

    def counted(path: str) -> Weights:
        read.append(Path(path).name)
        weights: Weights = load_state_dict(path)
        return weights

    monkeypatch.setattr(pretrained, "load_state_dict", counted)
    return read


def started(folder: Path, n_classes: int = 3) -> Net:
    torch.manual_seed(1)
    return starting_net(RECIPE, n_classes, folder)[0]


def same(one: Net, other: Net) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_two_trainings_read_a_file_once(folder: Path, reads: list[str]) -> None:
    assert same(started(folder), started(folder))
    assert started(folder, n_classes=5).body.get_classifier().out_features == 5
    assert reads == ["test_resnet.safetensors"]


def test_a_file_that_was_written_since_is_read_again(folder: Path, reads: list[str]) -> None:
    before = started(folder)
    torch.manual_seed(2)
    save_file(timm.create_model("test_resnet", num_classes=9).state_dict(), folder / "test_resnet.safetensors")
    assert not same(before, started(folder))
    assert len(reads) == 2


def test_names_that_a_wrapper_left_are_understood(folder: Path, tmp_path: Path) -> None:
    (compiled := tmp_path / "compiled").mkdir()
    weights = weights_of_file(folder / "test_resnet.safetensors")
    save_file({f"_orig_mod.{name}": tensor for name, tensor in weights.items()}, compiled / "test_resnet.safetensors")
    assert same(started(compiled), started(folder))


def test_the_net_is_the_one_that_timm_loads(folder: Path) -> None:
    torch.manual_seed(1)
    file = {"file": str(folder / "test_resnet.safetensors")}
    by_timm = timm.create_model("test_resnet", pretrained=True, pretrained_cfg_overlay=file, num_classes=3)
    ours = started(folder).body.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in by_timm.state_dict().items())


def test_a_copy_of_the_net_has_no_copy_of_the_file(folder: Path) -> None:
    assert "state_dict" not in started(folder).body.pretrained_cfg


def test_timm_s_own_weights_are_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what timm knows of the name; the hub itself is not asked."""
    asked: list[str] = []
    weights = timm.create_model("test_resnet").state_dict()

    def fetch(repository: str) -> Weights:
        asked.append(repository)
        return weights

    monkeypatch.setattr(pretrained, "load_state_dict_from_hf", fetch)
    for _ in range(2):
        net, _ = starting_net(RECIPE, 3, None)
        body = net.body.state_dict()
        assert all(torch.equal(tensor, body[name]) for name, tensor in weights.items() if not name.startswith("fc."))
    assert asked == ["timm/test_resnet.r160_in1k"]
    pretrained._download.cache_clear()
