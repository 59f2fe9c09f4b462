"""A member of an ensemble: in each fold, the trial whose net answers there; what it predicts. No torch, no Ray.

After full promotion one trial answers in all folds, after a diagonal one another trial in each. Whoever needs a
member's nets or predictions goes through its `pairs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainables.data.folds import Folds
from trainables.files import load_array, load_json, load_object
from trainables.layout import SearchFolder
from trainables.trial import load_epochs, load_recipe

Pair = tuple[int, int]
"""A trial and a fold: one training."""

Stored = int | list[int]
"""A member as JSON: the number of its trial, or of each fold's, where they differ."""


@dataclass(frozen=True)
class Member:
    """What an ensemble gives a weight: one net for each fold, out of fold for the images that the fold validates."""

    trials: tuple[int, ...]
    """Numbers, by fold."""

    @classmethod
    def of(cls, stored: int | Sequence[int], n_folds: int) -> Member:
        """From the number of the trial that answers in all folds, or of each fold's."""
        return cls((stored,) * n_folds if isinstance(stored, int) else tuple(stored))

    @property
    def stored(self) -> Stored:
        """The inverse of `of`."""
        return self.trials[0] if len(set(self.trials)) == 1 else list(self.trials)

    @property
    def pairs(self) -> list[Pair]:
        """Trial and fold of every net, by fold."""
        return [(number, fold) for fold, number in enumerate(self.trials)]

    @property
    def by_trial(self) -> dict[int, list[int]]:
        """The folds in which each trial answers."""
        return {number: [fold for each, fold in self.pairs if each == number] for number in self.trials}

    def __str__(self) -> str:
        return member_name(self.stored)


def member_name(stored: Stored) -> str:
    """'003', or of each fold's trial '003/007/001'."""
    return "/".join(f"{number:03d}" for number in ([stored] if isinstance(stored, int) else stored))


def pairs_of(members: Iterable[Member], folds: Iterable[int]) -> list[Pair]:
    """Every training of these folds once, member by member."""
    folds = list(folds)
    return list(dict.fromkeys((member.trials[fold], fold) for member in members for fold in folds))


def promoted_members(search: SearchFolder, n_folds: int) -> list[Member]:
    """What was promoted, best first."""
    return _members(search.promoted, load_json(search.promoted), n_folds)


def ensemble_members(search: SearchFolder, n_folds: int) -> list[Member]:
    """What the ensemble blends, in the order of its weights."""
    return _members(search.ensemble, load_object(search.ensemble, "members")["members"], n_folds)


def _members(path: Path, stored: Any, n_folds: int) -> list[Member]:
    def is_one(each: Any) -> bool:
        numbers = each if isinstance(each, list) and len(each) == n_folds else [each]
        return all(isinstance(number, int) for number in numbers)

    if not isinstance(stored, list) or not all(map(is_one, stored)):
        raise InputError(
            f"{path}: members must be a list of trials' numbers, or of {n_folds} of them, one a fold; got {stored!r}"
        )
    return [Member.of(each, n_folds) for each in stored]


def oof_pred_probs(search: SearchFolder, member: Member, folds: Folds) -> NDArray[np.float64]:
    """Out-of-fold probabilities (N, K): each row by the one net that did not see it.

    Rows that no fold validates are NaN. Predictions made on other folds are an `InputError`.
    """
    check_fold_hashes(search, member, folds)
    return folds.placed([load_array(search.trial(number).fold(fold).pred_probs) for number, fold in member.pairs])


def oof_view_probs(search: SearchFolder, member: Member, folds: Folds) -> NDArray[np.float32]:
    """Out-of-fold probabilities (views, n, K) of the validated rows, by each test-time view alone."""
    check_fold_hashes(search, member, folds)
    parts = [load_array(search.trial(number).fold(fold).view_probs) for number, fold in member.pairs]
    views = min(len(part) for part in parts)
    rows = np.concatenate([folds.split(fold)[1] for fold in range(folds.count)])
    probs: NDArray[np.float32] = np.concatenate([part[:views] for part in parts], axis=1)[:, np.argsort(rows)]
    return probs


def member_nets(search: SearchFolder, member: Member) -> list[Path]:
    """The weight files, fold by fold; where the mean of several epochs answers, a fold has several."""
    trials = [(search.trial(number), fold) for number, fold in member.pairs]
    return [net for trial, fold in trials for net in trial.fold(fold).nets(load_recipe(trial))]


def member_test_probs(search: SearchFolder, member: Member) -> NDArray[np.float64]:
    """Test probabilities (n, K): the mean over the folds."""
    by_fold = [load_array(search.trial(number).fold(fold).test_probs) for number, fold in member.pairs]
    probs: NDArray[np.float64] = np.mean(by_fold, axis=0, dtype=np.float64)
    return probs


def check_fold_hashes(search: SearchFolder, member: Member, folds: Folds) -> None:
    """Refuse a member some of whose numbers were measured on other data or other folds, and say which."""
    epochs = {pair: load_epochs(search.trial(pair[0]).fold(pair[1])) for pair in member.pairs}
    hashes = {pair: str(rows["fold_hash"].iloc[-1]) for pair, rows in epochs.items() if len(rows)}
    differing = [f"fold {fold} has {each}" for (_, fold), each in hashes.items() if each != folds.hash]
    if differing:
        raise InputError(
            f"The numbers of trial {member} in {search.trials} are not of the folds {folds.hash}, and mix with none:",
            differing,
        )
