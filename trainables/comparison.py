"""Which differences between trials are more than noise: paired, image by image, on the fold that both were scored on.

The accuracy of one trial on a fold of 250 images has a standard error of two points; the difference of two trials on
the same images has a smaller one, since most images are right or wrong for both. Of accuracies this is McNemar's test.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIED_WITHIN = 1.96
"""Standard errors: a difference within so many is a tie (95 % for one comparison; a list of many has more)."""


@dataclass(frozen=True)
class Difference:
    """How far one trial is behind another, in the metric's units; positive is worse."""

    behind: float
    se: float

    @property
    def tied(self) -> bool:
        return abs(self.behind) <= TIED_WITHIN * self.se


def paired(better: NDArray[np.floating], other: NDArray[np.floating]) -> Difference:
    """From the goods `(N,)`, higher is better, of two trials on the same N images."""
    if better.shape != other.shape:
        raise ValueError(f"Paired scores must be of the same images, got {len(better)} and {len(other)}")
    apart = np.asarray(better, dtype=np.float64) - other
    return Difference(float(apart.mean()), float(apart.std() / math.sqrt(len(apart))))


def compare(
    ranked: Sequence[int],
    epochs: Mapping[int, int],
    goods: Mapping[int, NDArray[np.floating]],
    promoted: Collection[int],
) -> list[dict[str, Any]]:
    """One row a trial, in the order of `ranked`: how far behind the first it is, and whether the cut was a tie.

    Only trials that ended at the same epoch are compared; for the others `behind` is None. `cut_is_tie` marks the
    trials that are not among the `promoted` and whose difference from the last of those is a tie.
    """
    first, last = ranked[0], [number for number in ranked if number in promoted][-1]
    rows = []
    for number in ranked:
        to_first = paired(goods[first], goods[number]) if epochs[number] == epochs[first] else None
        to_last = paired(goods[last], goods[number]) if epochs[number] == epochs[last] else None
        rows.append(
            {
                "trial": number,
                "epoch": epochs[number],
                "promoted": number in promoted,
                "behind": to_first.behind if to_first else None,
                "behind_se": to_first.se if to_first else None,
                "tied_with_first": bool(to_first and to_first.tied),
                "cut_is_tie": number not in promoted and bool(to_last and to_last.tied),
            }
        )
    return rows
