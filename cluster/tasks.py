"""Ray tasks side by side: one whose machine went or whose worker crashed is started again, until all are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

import ray

from cluster.errors import SearchFailed
from cluster.failures import Attempts
from cluster.resources import Slots
from cluster.store import Store
from cluster.waiting import Waiting

_LOOK_EVERY_S = 1.0

Key = TypeVar("Key", bound=Hashable)
"""What a task is known by."""


def until_done(
    store: Store,
    wanted: Mapping[Key, Slots],
    start: Callable[[Key], Any],
    *,
    fetch: Callable[[Key], object],
    fetch_running: Callable[[Iterable[Key]], object],
    failed: Callable[[Key, Exception, float], object],
    look: Callable[[int], object],
    given_up: Callable[[list[Key]], list[Key]] = lambda left: [],
    at_once: int | None = None,
) -> None:
    """A task for each key, until all are done or given up; of all that are to be, `at_once` at most are asked for.

    `start` asks Ray for one, `fetch` brings what it has written; `failed(key, error, since)` raises where it is not to
    be started again; `look(done)` is called every second, and `given_up(left)` names those that are stopped.
    """
    store.publish()
    waiting = Waiting()
    queue = list(wanted)
    asked: dict[Any, tuple[Key, float]] = {}
    while queue or asked:
        while queue and (at_once is None or len(asked) < at_once):
            key = queue.pop(0)
            asked[start(key)] = (key, time.time())
        done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK_EVERY_S)
        for task in done:
            key, since = asked.pop(task)
            fetch(key)
            error = _error(task)
            if error:
                failed(key, error, since)
                asked[start(key)] = (key, time.time())
        for key in given_up([*(key for key, _ in asked.values()), *queue]):
            queue = [each for each in queue if each != key]
            for task in [task for task, (asked_for, _) in asked.items() if asked_for == key]:
                ray.cancel(task, force=True)
                del asked[task]
        fetch_running(key for key, _ in asked.values())
        store.publish(soon=True)
        waiting.look(wanted[key] for key, _ in asked.values())
        look(len(wanted) - len(asked) - len(queue))


def remote(function: Callable[..., None], slot: Slots) -> Any:
    """A function as a Ray task that gets so much of one machine."""
    # What CUDA holds of a GPU's memory goes with its process only, so that takes one call there.
    task = ray.remote(max_retries=0, max_calls=int(slot.gpus > 0))(function)
    return task.options(num_cpus=slot.cpus, num_gpus=slot.gpus)


def node_died(error: Exception) -> bool:
    """Whether a task ended with its machine."""
    return isinstance(error, ray.exceptions.NodeDiedError)


def check_tried_again(attempts: Attempts, key: Hashable, error: Exception, what: str) -> None:
    """`SearchFailed`, with the cause, where a task that failed is not to be tried again: never after its own error."""
    died = node_died(error)
    crashed = isinstance(error, ray.exceptions.WorkerCrashedError | ray.exceptions.OutOfMemoryError)
    if not (died or crashed) or not attempts.another(key, died):
        raise SearchFailed(f"{what} failed; --resume goes on with what is there. The cause:\n{error}")


def _error(task: Any) -> Exception | None:
    try:
        ray.get(task)
    except ray.exceptions.RayError as error:
        failure: Exception = error
        return failure
    return None
