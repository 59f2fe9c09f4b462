"""A fold on several GPUs of one machine: Ray Train starts a process for each, with torch's process group among them.

The fold's task holds no GPU and no CPU; it waits on the driver's machine for Ray Train, which has its own placement
group on one node. Ray Train's own checkpoints, reports and retries are not used: a fold's folder is what it resumes
from, and who is tried again is decided as for every other fold (`cluster/failures.py`).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.failures import NODE_DIED
from cluster.plan import Plan
from cluster.resources import Slots
from trainables.data.place import DataPlace
from trainables.layout import SearchFolder
from trainables.ranks import PATIENCE, rank_here
from trainables.setting import Setting
from trainables.train import train_fold

_OF_OTHERS = re.compile(r"WorkerHealthCheck|OutOfMemoryError|gloo|NCCL|Connection (closed|reset)|Broken pipe")
"""Names and words of errors that a crash explains: of a process that died, or had no memory, and of those it left."""


def starter(plan: Plan, slots: Slots) -> Callable[[tuple[int, int]], Any]:
    """Starts a task that trains a trial's fold in `slots.processes` processes, and ends when they do."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    remote = ray.remote(num_cpus=0, max_retries=0, max_calls=1, scheduling_strategy=here)(_train_fold)
    setting = plan.setting(slots).on(slots.cpus // slots.processes, 1.0)
    return lambda pair: remote.remote(plan.place, plan.search, setting, slots, *pair)


def _train_fold(place: DataPlace, search: SearchFolder, setting: Setting, slots: Slots, number: int, fold: int) -> None:
    """Raises what a task of its own would: `NodeDiedError`, `WorkerCrashedError`, or what ended the training."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    each = {"CPU": slots.cpus // slots.processes, "GPU": 1}
    with tempfile.TemporaryDirectory(prefix="leafsearch-") as storage:
        trainer = TorchTrainer(
            lambda: train_fold(place, search, number, fold, setting, rank_here()),  # in each of the processes
            # Among CPUs; where there are GPUs, `rank_here` has NCCL connect them.
            torch_config=TorchConfig(backend="gloo", timeout_s=int(PATIENCE.total_seconds())),
            scaling_config=ScalingConfig(
                num_workers=slots.processes,
                use_gpu=True,
                resources_per_worker=each,
                placement_strategy="STRICT_PACK",
            ),
            run_config=RunConfig(
                storage_path=storage, failure_config=FailureConfig(max_failures=0, max_preemption_failures=0)
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            failures = getattr(error, "worker_failures", {}).values()
            raise as_of_a_task(type(error).__name__, str(error), failures) from error


def as_of_a_task(name: str, message: str, failures: Iterable[Exception]) -> Exception:
    """What the driver tells apart: whether the machine went, a process crashed, or a training raised an error.

    One that dies leaves the others with errors of their own, of a connection that broke.
    """
    causes = [f"{type(failure).__name__}: {failure}" for failure in failures]
    if name == "PreemptionError" or any(NODE_DIED.search(cause) for cause in causes):
        return ray.exceptions.NodeDiedError(message)  # type: ignore[no-any-return]
    if causes and all(_OF_OTHERS.search(cause) for cause in causes):
        return ray.exceptions.WorkerCrashedError(message)  # type: ignore[no-any-return]
    return RuntimeError(message)
