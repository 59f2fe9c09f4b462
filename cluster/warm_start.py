"""The best recipes of an earlier search, to be tried first in this one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from search_spaces import InputError, Space
from trainables.data.folds import Folds
from trainables.files import load_object, load_rows
from trainables.layout import SearchFolder
from trainables.member import promoted_members
from trainables.trial import load_recipe

_OWN = ("epochs", "seed")
"""Fields that each search decides for itself."""


def warmed(space: Space, out: Path) -> Space:
    """The space with the promoted recipes of the search in `out` before its own `known_good`, best first.

    Raises `InputError` where there is no finished search, or where the space is a grid.
    """
    search = SearchFolder(out)
    if not search.standings.exists():
        raise InputError(f"--warm-start: {out} holds no search whose trials were compared ({search.standings.name})")
    if space.grid:
        raise InputError(f"--warm-start: the grid {space.name!r} tries every recipe anyway")
    best = [load_recipe(search.trial(number)) for number in _promoted(search)]
    taken = tuple({k: v for k, v in recipe.to_dict().items() if k not in _OWN} for recipe in best)
    return replace(space, known_good=(*taken, *space.known_good))


def _promoted(search: SearchFolder) -> list[int]:
    """Trials, best first: by what was promoted in the end, for which a budget may have had no room for the leaders."""
    if search.promoted.exists():
        members = promoted_members(search, Folds.load(search.folds).count)
        return list(dict.fromkeys(number for member in members for number in member.trials))
    return [row["trial"] for row in load_rows(search.standings, "trial", "promoted") if row["promoted"]]


def check_same_folds(out: Path, fold_hash: str) -> None:
    """Refuse recipes that were chosen on other data or other folds: what was best there need not be so here."""
    theirs = load_object(SearchFolder(out).search, "fold_hash")["fold_hash"]
    if theirs != fold_hash:
        raise InputError(
            f"--warm-start: {out} searched on other data or folds ({theirs}, here {fold_hash}); "
            "--recipes-only takes its recipes all the same"
        )
