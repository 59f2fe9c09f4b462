import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.resources import Slots
from cluster.waiting import SAYS_AFTER_S, SAYS_EVERY_S, Waiting

HEAD, WORKER = {"CPU": 0.0}, {"CPU": 4.0, "GPU": 1.0}
LARGE, SMALL = Slots(1, 4, 1.0), Slots(4, 1, 0.25)


class Cluster:
    """Nodes and a clock, moved by hand."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, float]] = [HEAD]
        self.now = 1000.0
        self.waiting = Waiting(lambda: self.nodes, lambda: self.now)

    def for_s(self, seconds: float, *wanted: Slots) -> None:
        for _ in range(int(seconds / 5)):
            self.now += 5
            self.waiting.look(wanted)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    yield Cluster()


def test_a_line_a_minute_after_some_minutes(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.for_s(SAYS_AFTER_S - 10, LARGE)
    assert not capsys.readouterr().out
    cluster.for_s(5 * SAYS_EVERY_S, LARGE)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5
    assert said[0] == (
        "note: waiting for 3 min for a machine with 4 CPUs and 1 GPU; those that are there have 0 CPUs and 0 GPUs"
    )


def test_who_is_merely_behind_others_is_not_waited_for(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.nodes = [HEAD, WORKER]
    cluster.for_s(3600, LARGE, SMALL)
    cluster.nodes = [HEAD]
    cluster.for_s(3600)
    assert not capsys.readouterr().out, "nothing is asked for"
    cluster.for_s(SAYS_AFTER_S + SAYS_EVERY_S, SMALL, LARGE)
    assert "1 CPU and 0.25 GPU;" in capsys.readouterr().out, "the machine went"
    cluster.nodes = [HEAD, WORKER]
    cluster.for_s(3600, LARGE)
    assert not capsys.readouterr().out


def test_as_ray_tune_calls_it(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    def trial(status: str) -> Any:
        return SimpleNamespace(status=status, config={"trial": 0, "cpus": 4, "gpus": 1.0})

    for status in ("TERMINATED", "PENDING"):
        for _ in range(100):
            cluster.now += 5
            cluster.waiting.on_step_end(0, [trial(status)])
        assert ("waiting for" in capsys.readouterr().out) == (status == "PENDING")
    assert pickle.dumps(Waiting())
