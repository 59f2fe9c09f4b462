"""What an ensemble is made of: several models' predictions of the same rows, each by a net that did not see the row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.ensemble.method import Labels, Probs
from search_spaces.errors import InputError


@dataclass(frozen=True, eq=False)
class Members:
    """Out-of-fold predictions of the same rows. Two that are bit for bit the same are an `InputError`."""

    names: tuple[str, ...]
    pred_probs: Probs
    """(M, N, K)"""
    labels: Labels
    """(N,), as given"""
    fold_of: NDArray[np.integer]
    """(N,): the fold that each row was predicted in."""

    def __post_init__(self) -> None:
        check_different(self.names, self.pred_probs)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def folds(self) -> list[int]:
        return [int(fold) for fold in np.unique(self.fold_of)]

    @cached_property
    def digest(self) -> str:
        """Of all that a choice of a method rests on."""
        content = hashlib.sha256(json.dumps(self.names).encode())
        for array in (np.asarray(self.pred_probs, np.float64), self.labels, self.fold_of):
            content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()[:16]


def check_different(names: Sequence[str | int], pred_probs: Probs) -> None:
    """Refuse members (M, N, K) that are one model under two names: it would count twice and look like agreement."""
    shown = [f"{name:03d}" if isinstance(name, int) else name for name in names]
    twins = [
        f"{shown[earlier]} and {shown[later]}"
        for later in range(len(pred_probs))
        for earlier in range(later)
        if np.array_equal(pred_probs[earlier], pred_probs[later])
    ]
    if twins:
        raise InputError("Members of an ensemble must be different models; these predict the same, bit for bit:", twins)
