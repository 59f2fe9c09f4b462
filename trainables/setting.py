"""What all trainings of one search share and no recipe decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from trainables.bucket import Bucket
from trainables.node import NodeFacts

_THREADS_BESIDE_A_GPU = 2


@dataclass(frozen=True)
class Setting:
    """Handed to every training of a search, on whatever node it runs."""

    weights: Path | None = None
    """Folder of local pretrained weights."""
    largest_tta_count: int = 1
    curve_epochs: tuple[int, ...] = ()
    """Epochs after which a trial may be stopped: there it is scored at every TTA count."""
    threads: int = 1
    loader_workers: int = 0
    """Processes that decode images; 0 decodes in the training's own."""
    ahead: bool = True
    """Whether those begin with the next epoch while this one is scored."""
    cache_gb: float = 0.0
    """Disk of the machine that trains for decoded images, in 10^9 bytes; 0 decodes an image each time."""
    micro_batches: Path | None = None
    """Where it is remembered what fits a device at once."""
    deterministic: bool = False
    """Only algorithms that give the same bits each time. On a CPU they do anyway; on a GPU this costs speed."""
    code_hash: str = ""
    """Of the code that a search runs."""
    node: NodeFacts | None = None
    """What the machine that trains must have; None asks nothing."""
    bucket: Bucket | None = None
    """Where OUT is, if it is no folder that all nodes share."""
    gpu_share: float = 0.0
    """Of a GPU, that this training may fill; 0 where nothing was decided."""

    def on(self, cpus: int, gpus: float) -> Setting:
        """For a training that has so much of its machine.

        Beside a GPU torch has a few threads and images are decoded by other processes, one for each CPU but one; on a
        CPU the training needs them all itself.
        """
        threads = min(_THREADS_BESIDE_A_GPU, cpus) if gpus else cpus
        return replace(self, threads=threads, loader_workers=cpus - 1 if gpus else 0, gpu_share=gpus)
