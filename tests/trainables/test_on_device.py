"""Batches on the device: as they are on a CPU, and copied beside the steps on a GPU, which is played here."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.data import on_device as module
from trainables.data.on_device import on_device, sent

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


def test_on_a_gpu_a_step_waits_for_its_own_copy_and_not_for_the_next_batch(log: list[str]) -> None:
    for images, labels in on_device(batches(log), Cuda()):  # type: ignore[arg-type]
        log.append(f"step {int(images[0])} {int(labels[0])}")
    assert log == [
        *("read 0", "copy 0", "wait 0", "kept 0", "kept 10", "step 0 10"),
        *("read 1", "copy 1", "wait 1", "kept 1", "kept 11", "step 1 11"),
        *("read 2", "copy 2", "wait 2", "kept 2", "kept 12", "step 2 12"),
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_few_batches_come_all_the_same(log: list[str], count: int) -> None:
    assert len(list(on_device(batches(log, count), Cuda()))) == count  # type: ignore[arg-type]


def test_what_is_sent_to_a_gpu_is_pinned_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: said.append("pinned") or tensor)
    monkeypatch.setattr(Tensor, "to", lambda tensor, _where, non_blocking=False: said.append(f"{non_blocking}"))
    sent(torch.ones(2), Cuda())  # type: ignore[arg-type]
    assert said == ["pinned", "True"]


def test_on_a_cpu_it_is_what_was_sent() -> None:
    tensor = torch.arange(3)
    assert torch.equal(sent(tensor, CPU), tensor)
