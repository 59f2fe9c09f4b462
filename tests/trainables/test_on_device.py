"""Batches on the device: as they are on a CPU, and one ahead of the step on a GPU, which is played here."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.data import on_device as module
from trainables.data.on_device import on_device

CPU = torch.device("cpu")


def batches(log: list[str], count: int = 3) -> Any:
    for number in range(count):
        log.append(f"read {number}")
        yield [torch.full((2,), number), torch.full((2,), number + 10)]


def test_on_a_cpu_they_pass_as_they_are() -> None:
    log: list[str] = []
    for images, labels in on_device(batches(log), CPU):
        log.append(f"step {int(images[0])} {int(labels[0])}")
    assert log == ["read 0", "step 0 10", "read 1", "step 1 11", "read 2", "step 2 12"]


class Played:
    """In place of `torch.cuda`: notes what a stream is asked for."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.copied = 0

    def Stream(self, _where: torch.device) -> "Played":
        return self

    def stream(self, _stream: "Played") -> AbstractContextManager[None]:
        return nullcontext()

    def current_stream(self) -> "Played":
        return self

    def record_event(self) -> int:
        self.log.append(f"copy {self.copied}")
        self.copied += 1
        return self.copied - 1

    def wait_event(self, event: int) -> None:
        self.log.append(f"wait {event}")


class Cuda:
    """A device that says that it is a GPU, and to which nothing has to be copied."""

    type = "cuda"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    log: list[str] = []
    monkeypatch.setattr(module.torch, "cuda", Played(log))
    monkeypatch.setattr(Tensor, "to", lambda tensor, _where, non_blocking: tensor)
    monkeypatch.setattr(Tensor, "record_stream", lambda tensor, _stream: log.append(f"kept {int(tensor[0])}"))
    return log


def test_on_a_gpu_the_next_is_copied_before_a_step_and_the_step_waits_for_its_own(log: list[str]) -> None:
    for images, labels in on_device(batches(log), Cuda()):  # type: ignore[arg-type]
        log.append(f"step {int(images[0])} {int(labels[0])}")
    assert log == [
        *("read 0", "copy 0", "read 1", "copy 1", "wait 0", "kept 0", "kept 10", "step 0 10"),
        *("read 2", "copy 2", "wait 1", "kept 1", "kept 11", "step 1 11"),
        *("wait 2", "kept 2", "kept 12", "step 2 12"),
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_few_batches_come_all_the_same(log: list[str], count: int) -> None:
    assert len(list(on_device(batches(log, count), Cuda()))) == count  # type: ignore[arg-type]
