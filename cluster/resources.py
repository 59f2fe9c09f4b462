"""How many trials run at once, and what each gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.errors import InputError

_MOST_CPUS_BESIDE_A_GPU = 8
_CPUS_OF_A_NODE_TO_COME = 4


@dataclass(frozen=True)
class Slots:
    """The share of the cluster that one trial, fold or prediction takes."""

    concurrent: int
    cpus: int
    gpus: float

    @property
    def threads(self) -> int:
        """torch's threads: all CPUs of the slot, or a few beside a GPU."""
        return self.cpus if not self.gpus else min(2, self.cpus)

    @property
    def loader_workers(self) -> int:
        """Processes that decode images: beside a GPU all CPUs but one; on a CPU the training needs them itself."""
        return self.cpus - 1 if self.gpus else 0

    def ray(self) -> dict[str, float]:
        """As Ray Tune names them."""
        return {"cpu": self.cpus, "gpu": self.gpus}


def slots(
    nodes: Sequence[Mapping[str, float]],
    trials: int,
    concurrent: int | None,
    gpus_per_trial: float | None,
    wanted_gpus: float,
    can_grow: bool = False,
) -> Slots:
    """Decide from the resources of Ray's nodes and the flags; `wanted_gpus` is what the space asks for.

    Without `concurrent`: a trial for each share of a GPU, or for each CPU core. A trial runs on one node, and asks for
    no more than the largest has. Where a cluster `can_grow`, every trial may ask for its share of nodes that are not
    there yet; elsewhere what is not there is an `InputError`.
    """
    cpus, have = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
    gpus = gpus_per_trial if gpus_per_trial is not None else (wanted_gpus or min(1.0, have))
    fitting = sum(int(node.get("GPU", 0.0) / gpus) for node in nodes) if gpus else int(cpus)
    if fitting < 1 and can_grow:
        return Slots(min(concurrent or trials, trials), _CPUS_OF_A_NODE_TO_COME, gpus)
    if fitting < 1:
        most = max(node.get("GPU", 0.0) for node in nodes)
        raise InputError(
            f"A trial wants {gpus:g} GPUs of one node and no node has more than {most:g};"
            " --gpus-per-trial says otherwise, 0 is the CPU"
        )
    many = max(1, min(concurrent or fitting, fitting, trials))
    largest = max(node.get("CPU", 0.0) for node in nodes if node.get("GPU", 0.0) >= gpus)
    per_trial = max(1, int(min(cpus // many, largest)))
    return Slots(many, min(per_trial, _MOST_CPUS_BESIDE_A_GPU) if gpus else per_trial, gpus)
