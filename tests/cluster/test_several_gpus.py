"""What a fold's end on several GPUs means: a machine that went, a process that crashed, or an error of its own."""

import pytest
import ray
import torch

from cluster.several_gpus import as_of_a_task

BROKEN = RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:14731")


class WorkerHealthCheckFailedError(Exception):
    """As Ray Train names a worker that does not answer."""


@pytest.mark.parametrize(
    ("name", "failures", "expected"),
    [
        ("PreemptionError", [], ray.exceptions.NodeDiedError),
        (
            "WorkerGroupError",
            [BROKEN, WorkerHealthCheckFailedError("The actor died because its node has died.")],
            ray.exceptions.NodeDiedError,
        ),
        (
            "WorkerGroupError",
            [WorkerHealthCheckFailedError("The actor is dead because its worker process has died."), BROKEN],
            ray.exceptions.WorkerCrashedError,
        ),
        ("WorkerGroupError", [BROKEN], ray.exceptions.WorkerCrashedError),
        ("WorkerGroupError", [torch.OutOfMemoryError("CUDA out of memory")], ray.exceptions.WorkerCrashedError),
        ("WorkerGroupError", [BROKEN, OSError("train_1.png cannot be decoded")], RuntimeError),
        ("ControllerError", [], RuntimeError),
    ],
)
def test_what_ended_a_fold(name: str, failures: list[Exception], expected: type[Exception]) -> None:
    found = as_of_a_task(name, "the whole message", failures)
    assert type(found) is expected
    if expected is RuntimeError:
        assert str(found) == "the whole message"
