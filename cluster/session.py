"""OUT and Ray, for as long as a search needs them: the cluster that is there, or one on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray.tune import TuneError

from cluster.errors import SearchFailed
from cluster.lock import held
from cluster.plan import Plan
from cluster.preflight import check_nodes, gpu_bytes_of_nodes
from cluster.resources import Resources, resources
from cluster.snapshot import frozen
from cluster.spending import Spending
from cluster.waiting import alive_nodes
from trainables.bucket import BucketAway
from trainables.disk import says_no_room

# Ray's cluster launcher leaves it on the head node, where `ray submit` runs the driver.
_AUTOSCALED = Path("~/ray_bootstrap_config.yaml").expanduser()

_PATIENCE = {"TUNE_FUNCTION_THREAD_TIMEOUT_S": "600"}
"""A stopped training may take long to close its files. A worker that gives up on that (after 2 s, by default) loses its
next trial, and nobody is told: the search would wait for it for ever."""


REUSED = {"THP_MEM_ALLOC_ENABLE": "1", "MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
"""For workers: what a step frees is kept for the next one, and large tensors lie on huge pages, where by default each
step asks the system for its memory anew, page by page (docs/input.md)."""


def memory_reuse() -> dict[str, str]:
    """`REUSED`, but where this process was started with something else."""
    return {name: os.environ.get(name, value) for name, value in REUSED.items()}


@contextmanager
def session(plan: Plan) -> Iterator[tuple[Resources, Spending]]:
    """Connect to the running cluster (`RAY_ADDRESS`, or `ray start` on this machine), or start Ray here.

    Workers import a frozen copy of the four packages, so an edit in mid-search changes nothing. Yields what the
    trials get, and what the search has spent; `InputError` where no trial would ever fit.
    """
    # Our own table, TensorBoard curves and CSV stand in for Ray Tune's.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # attempts.txt and error.txt have them
    with explained(plan), held(plan.search.lock):
        plan.search.sweep()
        with frozen() as code:
            ray.init(
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"working_dir": str(code), "env_vars": _PATIENCE | memory_reuse()},
            )
        try:
            images = len(plan.data.image_ids) + len(plan.data.test_ids)
            check_nodes(plan.store, plan.place, plan.node, images)
            found = _resources(plan)
            yield found, Spending(plan, found)
        finally:
            ray.shutdown()
            plan.store.close()


@contextmanager
def explained(plan: Plan) -> Iterator[None]:
    """Turn a full disk, whoever met it, a bucket that stays away, and what Ray raises into `SearchFailed`."""
    try:
        yield
    except (OSError, TuneError, SearchFailed, ray.exceptions.RayError) as error:
        no_room = _no_room(error)
        if no_room:
            raise SearchFailed(
                f"The disk of {plan.search.path} is full, or cannot be written; free some space and go on with\n"
                f"  {plan.command} --resume\nThe cause: {no_room}"
            ) from error
        if isinstance(error, BucketAway):
            raise SearchFailed(f"{error}; once it is back, go on with\n  {plan.command} --resume") from error
        if isinstance(error, ray.exceptions.RayError):
            cause = str(error).strip().splitlines()[-1]
            raise SearchFailed(f"Ray failed; the same command with --resume goes on. The cause: {cause}") from error
        raise


def _no_room(error: Exception) -> str | None:
    """The line of an error that says that nothing can be written. Ray hands on what others raised as text."""
    lines = [line.strip() for line in str(error).splitlines() if says_no_room(line)]
    return lines[-1] if lines else None


def _resources(plan: Plan) -> Resources:
    by_recipe = plan.wishes.gpus_per_trial is None
    memory = (plan.gpu_bytes or gpu_bytes_of_nodes()) if by_recipe else 0
    return resources(alive_nodes(), plan.wishes, memory, len(plan.data.classes), _AUTOSCALED.exists())
