"""Before any trial: do all nodes have what this one has? Asked of each by a task that runs there."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.store import Store
from search_spaces import InputError
from trainables.bucket import Bucket
from trainables.data.place import DataPlace
from trainables.node import NodeFacts, differences, facts, gpu_bytes

_PATIENCE_S = 300
"""Until a node answers: it may have to fetch and unpack the code first."""

_FILES_A_SECOND = 3_000
"""That a bucket, or a share, hands out to all nodes together: S3 promises 5,500 reads for a folder of one name."""


def patience_s(nodes: int, images: int) -> float:
    """Until the last of so many nodes answers: all of them fetch the images, or list them, at the same time."""
    return _PATIENCE_S + nodes * images / _FILES_A_SECOND


def check_nodes(store: Store, data: DataPlace, wanted: NodeFacts, images: int) -> None:
    """Refuse a cluster where a node has other libraries or data than the driver, or does not share its OUT.

    Each node reads what the driver wrote to OUT, and the driver what each node wrote. Leaves nothing behind.
    """
    here = ray.get_runtime_context().get_node_id()
    others = {node["NodeID"]: node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here}
    if not others:
        return
    store.search.path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.search.path, prefix=".nodes-") as folder:
        token = _Token(Path(folder), secrets.token_hex(), store.bucket)
        (token.folder / "token").write_text(token.text)
        asked = {node: _asked(node).remote(token.folder, data, node, store.bucket) for node in others}
        patient_s = patience_s(len(asked), images)
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=patient_s)
        problems = [
            f"{others[node]['NodeManagerAddress']}: {problem}"
            for node, task in asked.items()
            for problem in _problems(task, node, token, data, wanted, patient_s)
        ]
    if problems:
        raise InputError("Every node must have what the trials need; here:", problems)


def gpu_bytes_of_nodes() -> int:
    """Memory of the smallest GPU of the cluster, since a trial may come to any; 0 where a node with GPUs cannot say."""
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    asked = [
        ray.remote(num_cpus=0, max_retries=2, scheduling_strategy=_only(node))(gpu_bytes).remote() for node in nodes
    ]
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=_PATIENCE_S) if asked else ([], [])
    try:
        return min(ray.get(answered), default=0) if len(answered) == len(asked) else 0
    except ray.exceptions.RayError:  # a node that is gone again, or its code could not be fetched; a trial will say it
        return 0


@dataclass(frozen=True)
class _Token:
    """What the driver wrote to OUT, where OUT is a folder."""

    folder: Path
    text: str
    bucket: Bucket | None

    def came_back(self, read: str | None, node: str) -> bool:
        copied = self.folder / node
        return read == self.text and copied.exists() and copied.read_text() == self.text


def _asked(node: str) -> Any:
    return ray.remote(num_cpus=0, max_retries=2, scheduling_strategy=_only(node))(_look_around)


def _only(node: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node, soft=False)


def _look_around(folder: Path, data: DataPlace, node: str, bucket: Bucket | None) -> tuple[NodeFacts, str | None]:
    """On a node: what it has, and the driver's token where it can be read. Leaves a copy of it for the driver."""
    token = None
    if bucket:
        bucket.check("--out")
    with suppress(OSError):
        token = (folder / "token").read_text()
        (folder / node).write_text(token)
    return facts(data), token


def _problems(
    task: Any, node: str, token: _Token, data: DataPlace, wanted: NodeFacts, patient_s: float
) -> Iterator[str]:
    """What one node lacks. One that is gone again meanwhile lacks nothing: no trial will run on it."""
    try:
        found, read = ray.get(task, timeout=0)
    except ray.exceptions.GetTimeoutError:
        yield f"no answer within {patient_s:.0f} s"
        return
    except (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError):
        return
    except ray.exceptions.RayError as error:
        yield str(error).strip().splitlines()[-1]
        return
    if not token.bucket and not token.came_back(read, node):
        out = token.folder.parent
        yield f"--out: {out} is not the folder that the driver writes; name one that all nodes share, or a bucket"
    yield from differences(found, wanted, data)
