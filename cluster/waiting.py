"""Says what a search waits for, where no machine of the cluster could hold the next of its trials or folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial

from cluster.resources import Slots

SAYS_AFTER_S, SAYS_EVERY_S = 180.0, 60.0
"""A machine of a cluster that grows takes some minutes to come."""

_LOOKS_EVERY_S = 10.0


class Waiting(Callback):  # type: ignore[misc]
    """A line a minute once nothing that is asked for has fitted any machine for some minutes.

    That is so while a cluster that grows has not grown yet, and after the last machine of a kind went. One that is
    merely busy is not waited for in this sense.
    """

    def __init__(
        self,
        nodes: Callable[[], Sequence[Mapping[str, float]]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nodes, self._clock = nodes or alive_nodes, clock
        self._looked = -_LOOKS_EVERY_S
        self._since: float | None = None
        self._said = 0.0

    def __getstate__(self) -> dict[str, object]:
        """Ray Tune pickles its callbacks beside the experiment; nothing of this one is wanted there."""
        return {}

    def look(self, wanted: Iterable[Slots]) -> None:
        """To be called often with what is asked for and has not ended."""
        now = self._clock()
        if now - self._looked < _LOOKS_EVERY_S:
            return
        self._looked, slots, nodes = now, set(wanted), self._nodes()
        if not slots or any(slot.fits(node) for slot in slots for node in nodes):
            self._since = None
        elif self._since is None:
            self._since = self._said = now
        elif now - self._since >= SAYS_AFTER_S and now - self._said >= SAYS_EVERY_S:
            self._said = now
            print(f"note: waiting for {(now - self._since) / 60:.0f} min for {lacking(slots, nodes)}", flush=True)

    def on_step_end(self, iteration: int, trials: list[RayTrial], **_info: object) -> None:
        self.look(Slots(1, t.config["cpus"], t.config["gpus"]) for t in trials if t.status in ("PENDING", "RUNNING"))


def lacking(slots: set[Slots], nodes: Sequence[Mapping[str, float]]) -> str:
    """'a machine with 4 CPUs and 1 GPU; there are 1 with 0 CPUs and 0 GPUs'."""
    least = min(slots, key=lambda slot: (slot.gpus, slot.cpus))
    kinds = sorted({(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes})
    there = ", ".join(f"{cpus:g} CPUs and {gpus:g} GPUs" for cpus, gpus in kinds) or "nothing"
    return f"a machine with {least}; those that are there have {there}"


def alive_nodes() -> list[Mapping[str, float]]:
    """What each machine of the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
