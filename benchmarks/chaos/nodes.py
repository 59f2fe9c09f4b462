"""Ray's simulated cluster, in a process of its own: a head that trains nothing, and one node that can vanish.

python -m benchmarks.chaos.nodes CPUS: prints the address; for every line that it reads it kills the node and adds
another; ends with its input.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping

import psutil

_HEALTH_CHECK = {"initial_delay_ms": "1000", "period_ms": "1000", "timeout_ms": "3000", "failure_threshold": "3"}
"""A node that vanished is missed after seconds; Ray's own patience is half a minute."""


class Nodes:
    """The cluster as the benchmark holds it: `environment` connects a driver to it, `close` ends all its processes."""

    def __init__(self, cpus: int, environment: Mapping[str, str]) -> None:
        # Of its own, or every `ray.init()` of this machine would find this cluster; short, for Ray's sockets.
        self._folder = tempfile.mkdtemp(prefix="chaos", dir="/tmp")
        impatient = {f"RAY_health_check_{name}": value for name, value in _HEALTH_CHECK.items()}
        auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.environment = {**environment, **impatient, **auth, "RAY_TMPDIR": self._folder}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos.nodes", str(cpus)],
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.environment["RAY_ADDRESS"] = self._answer()

    def replace(self) -> None:
        """The node dies with all that runs on it, and another joins."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self._answer()

    def close(self) -> None:
        processes = [*psutil.Process(self.process.pid).children(recursive=True), self.process]
        for process in processes:
            process.kill()
        self.process.wait()
        psutil.wait_procs(processes[:-1], timeout=10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answer(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("nodes: "):
                return line.removeprefix("nodes: ").strip()
        raise RuntimeError("the simulated cluster ended; its error stands above")


def main() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    node = cluster.add_node(num_cpus=int(sys.argv[1]))
    print(f"nodes: {cluster.address}", flush=True)
    for _line in sys.stdin:
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(num_cpus=int(sys.argv[1]))
        print("nodes: replaced", flush=True)


if __name__ == "__main__":
    main()
