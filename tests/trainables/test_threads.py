"""As many threads as were asked for, in every library that has some."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import trainables.augment
from trainables.setting import Setting
from trainables.threads import use_machine

assert trainables.augment


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    with threadpool_limits():
        yield
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = benchmark


@pytest.mark.parametrize("threads", [1, 2])
def test_every_library_has_the_threads_of_the_training(threads: int) -> None:
    torch.set_num_threads(3)
    use_machine(Setting(threads=threads))
    assert torch.get_num_threads() == threads
    assert cv2.getNumThreads() == 1
    pools = {f"{pool['user_api']} of {pool['filepath']}": pool["num_threads"] for pool in threadpool_info()}
    assert pools and set(pools.values()) == {threads}, pools


def test_cudnn_chooses_by_trying_but_where_bits_are_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    told: list[bool] = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", told.append)
    use_machine(Setting())
    assert torch.backends.cudnn.benchmark and not told
    use_machine(replace(Setting(), deterministic=True))
    assert not torch.backends.cudnn.benchmark and told == [True]
