"""OUSM: the rows of a batch with the greatest loss are left out, since their labels are the likeliest to be wrong.

Xue, Dou, Shi, Chen, Heng: Robust Learning at Noisy Labeled Medical Images, arXiv 1901.07759 (online uncertainty
sample mining).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainables.losses.miner import Miner


@dataclass(frozen=True)
class Ousm(Miner):
    """Another loss without the `drop` greatest rows of a batch."""

    drop: int

    def pick(self, rows: Tensor) -> Tensor:
        return rows.topk(max(1, len(rows) - self.drop), largest=False).indices
