"""Tasks that end well, badly, or with their machine; Ray is played by a list of what becomes of each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from cluster import tasks
from cluster.errors import SearchFailed
from cluster.failures import ATTEMPTS_AFTER_A_CRASH, NODES_FORGIVEN, Attempts
from cluster.resources import Slots
from cluster.store import Store
from cluster.tasks import check_tried_again, node_died, until_done
from trainables.layout import SearchFolder

SLOT = Slots(2, 1, 0.0)
GONE, CRASHED = ray.exceptions.NodeDiedError("gone"), ray.exceptions.WorkerCrashedError()


class Ray:
    """In place of Ray: a task is the key that it was started for, and its number among all."""

    exceptions = ray.exceptions

    def __init__(self, ends: dict[str, list[Exception | None]]) -> None:
        self.ends = {key: list(each) for key, each in ends.items()}
        self.started: list[str] = []
        self.cancelled: list[str] = []

    def start(self, key: str) -> tuple[str, int]:
        self.started.append(key)
        return key, len(self.started)

    def wait(self, asked: list[Any], **_words: Any) -> tuple[list[Any], list[Any]]:
        ended = [task for task in asked if self.ends[task[0]]]
        return ended, [task for task in asked if task not in ended]

    def get(self, task: tuple[str, int]) -> None:
        error = self.ends[task[0]].pop(0)
        if error:
            raise error

    def cancel(self, task: tuple[str, int], force: bool) -> None:
        self.cancelled.append(task[0])


@pytest.fixture
def until(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ray]:
    def run(ends: dict[str, list[Exception | None]], **words: Any) -> Ray:
        played, attempts = Ray(ends), Attempts()
        monkeypatch.setattr(tasks, "ray", played)
        monkeypatch.setattr(tasks.Waiting, "look", lambda self, wanted: None)
        usual: dict[str, Any] = {
            "fetch": lambda key: None,
            "fetch_running": lambda keys: None,
            "failed": lambda key, error, since: check_tried_again(attempts, key, error, "A fold"),
            "look": lambda done: None,
        }
        until_done(Store(SearchFolder(tmp_path)), dict.fromkeys(ends, SLOT), played.start, **{**usual, **words})
        return played

    return run


def test_all_are_done_and_each_is_fetched_before_it_is_judged(until: Callable[..., Ray]) -> None:
    fetched: list[str] = []
    looks: list[int] = []
    played = until({"a": [None], "b": [GONE, CRASHED, None]}, fetch=fetched.append, look=looks.append)
    assert played.started == ["a", "b", "b", "b"]
    assert fetched == ["a", "b", "b", "b"]
    assert looks == [1, 1, 2]


@pytest.mark.parametrize(("error", "forgiven"), [(GONE, NODES_FORGIVEN), (CRASHED, ATTEMPTS_AFTER_A_CRASH)])
def test_it_is_tried_again_so_often(until: Callable[..., Ray], error: Exception, forgiven: int) -> None:
    assert len(until({"a": [error] * forgiven + [None]}).started) == forgiven + 1
    with pytest.raises(SearchFailed, match="A fold failed; --resume goes on"):
        until({"a": [error] * (forgiven + 1)})


def test_an_error_of_its_own_ends_it_all(until: Callable[..., Ray]) -> None:
    with pytest.raises(SearchFailed, match="no such file"):
        until({"a": [None], "b": [ray.exceptions.RayError("no such file")]})


def test_who_is_given_up_is_stopped(until: Callable[..., Ray]) -> None:
    played = until({"a": [None], "b": []}, given_up=lambda left: left)
    assert (played.started, played.cancelled) == (["a", "b"], ["b"])


def test_so_many_at_once_are_asked_for(until: Callable[..., Ray]) -> None:
    """An end frees a place; one that is tried again keeps its own."""
    looks: list[int] = []
    played = until({"a": [GONE, None], "b": [None], "c": [None]}, at_once=2, look=looks.append)
    assert played.started == ["a", "b", "a", "c"]
    assert looks == [1, 3]


def test_who_is_given_up_while_it_waits_is_never_started(until: Callable[..., Ray]) -> None:
    played = until({"a": [None], "b": [], "c": []}, at_once=1, given_up=lambda left: left)
    assert (played.started, played.cancelled) == (["a"], [])


def test_only_the_death_of_a_node_is_its_machine_s() -> None:
    assert node_died(GONE) and not node_died(CRASHED) and not node_died(ValueError())
