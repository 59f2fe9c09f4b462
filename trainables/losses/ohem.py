"""OHEM: only the rows of a batch with the greatest loss are trained on.

Shrivastava, Gupta, Girshick: Training Region-based Object Detectors with Online Hard Example Mining, arXiv 1604.03540.
The opposite of OUSM: with wrong labels among the hardest rows it trains on those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from trainables.losses.miner import Miner


@dataclass(frozen=True)
class Ohem(Miner):
    """Another loss on the share `keep` in (0, 1] of a batch's rows that lose most."""

    keep: float

    def pick(self, rows: Tensor) -> Tensor:
        return rows.topk(math.ceil(self.keep * len(rows))).indices
