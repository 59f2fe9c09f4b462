"""The memory of a training, by tensors without values, beside what torch's own allocator counts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from search_spaces.recipe import Recipe
from trainables.gpu_memory import peak_bytes, training_bytes
from trainables.memory import CONTEXT_BYTES, keep_to_share, micro_batch, remember, room_bytes
from trainables.setting import Setting
from trainables.train import train

SMALL = Recipe(backbone="test_vit", image_size=64, batch_size=8, learning_rate=1e-3, epochs=1)
GIB = 2**30


def test_what_is_alive_at_once_is_counted() -> None:
    def compute() -> None:
        first = torch.empty(1000)
        second = first + 1
        del first
        third = (second * 2).view(10, 100)
        assert third.sum().shape == ()

    assert peak_bytes(compute) == 2 * 4000 + 4  # the sum
    assert peak_bytes(lambda: [torch.empty(1000) for _ in range(5)]) == 5 * 4000
    assert peak_bytes(lambda: [torch.empty(1000, dtype=torch.bfloat16).sum() for _ in range(5)]) < 3 * 2000


@pytest.mark.slow
def test_activations_go_with_batch_area_and_precision() -> None:
    one = training_bytes(replace(SMALL, batch_size=32, precision="float32"), 5)
    two = training_bytes(replace(SMALL, batch_size=64, precision="float32"), 5)
    large = training_bytes(replace(SMALL, batch_size=32, image_size=128, precision="float32"), 5)
    half = training_bytes(replace(SMALL, batch_size=64), 5)
    assert 1.7 * one < two < 2 * one
    assert large > 2.5 * one
    assert 0.5 * two < half < 0.8 * two
    weights = 4 * 4 * 290_000  # weights, gradients, two moments
    assert two > weights


@pytest.mark.slow
def test_copies_of_the_weights_are_counted() -> None:
    plain = training_bytes(replace(SMALL, optimizer="adam"), 5)
    sam, sgd, average = (
        training_bytes(replace(SMALL, **change), 5)
        for change in ({"sam_rho": 0.05}, {"optimizer": "sgd"}, {"ema_decay": 0.9})
    )
    assert sam - plain == plain - sgd > 4 * 90_000
    assert average - plain >= sam - plain


@pytest.mark.slow
def test_a_limit_that_a_16_gb_gpu_had() -> None:
    """The cassava diary's: B0 took a batch of 32 at 512 px, which is one of 128, not 256, at 256 px; in float32."""
    b0 = replace(SMALL, backbone="tf_efficientnet_b0", precision="float32", optimizer="adam")
    assert 12 * GIB < training_bytes(replace(b0, image_size=512, batch_size=32), 5) < 16 * GIB


def test_each_keeps_to_its_part_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        total_memory = 16 * GIB

    kept: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", kept.append)
    for share in (0.0, 0.25, 1.0, 2.0, 0.01):
        keep_to_share(share)
    context = CONTEXT_BYTES / (16 * GIB)
    assert kept == [0.25 - context, 1.0, 1.0, 0.005]


def test_the_room_is_what_is_free_of_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert room_bytes() == float("inf") or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda: 0.25)
    for free, room in ((10, 4), (3, 3)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free * GIB, 16 * GIB))
        assert room_bytes() == room * GIB


def test_what_fits_a_share_is_not_taken_for_what_fits_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, path = torch.device("cuda"), tmp_path / "micro_batches.json"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: "T4")
    remember(path, SMALL, gpu, 0.25, 2)
    assert [micro_batch(path, SMALL, gpu, share) for share in (0.25, 0.5, 1.0, 0.0)] == [2, 8, 8, 8]


def test_a_training_begins_with_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kept(Exception):
        pass

    def keep(share: float) -> None:
        raise Kept(share)

    monkeypatch.setattr("trainables.train.keep_to_share", keep)
    nothing: Any = None
    setting = Setting().on(cpus=4, gpus=0.25)
    assert (setting.threads, setting.loader_workers) == (2, 3), "beside a GPU the CPUs decode"
    assert (Setting().on(4, 0.0).threads, Setting().on(4, 0.0).loader_workers) == (4, 0)
    with pytest.raises(Kept, match=r"0\.25"):
        next(train(SMALL, nothing, nothing, 0, nothing, setting))


def test_frozen_statistics_ask_for_no_weights_here() -> None:
    frozen = replace(SMALL, backbone="test_resnet", pretrained=True, freeze_bn=True)
    assert training_bytes(frozen, 5) > 0
