"""What a search is: written when it begins, and what a resume is held against. One code, one data set, one seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cluster.plan import Plan
from cluster.snapshot import code_hash
from search_spaces import InputError, Recipe
from search_spaces.edges import described
from trainables.data.duplicates import groups_csv
from trainables.layout import load_json, save_json, write_whole

# What a resumed search must share with the one that it goes on with.
_SAME = ("space", "folds", "epochs", "metric", "seed", "fold_hash")


def begin(plan: Plan) -> None:
    """Write what the search is, or hold it against what a resume finds."""
    about = {
        "space": plan.space.name,
        "data": str(plan.data_root),
        "weights": str(plan.weights) if plan.weights else None,
        "folds": plan.folds.count,
        "epochs": plan.epochs,
        "trials": len(plan.recipes),
        "promote": plan.promote,
        "metric": plan.metric,
        "seed": plan.seed,
        "deterministic": plan.deterministic,
        "fold_hash": plan.folds.hash,
        "recipes_hash": _recipes_hash(plan.recipes),
        "code_hash": code_hash(),
        "classes": plan.data.classes,
        "rungs": plan.rungs,
        "ranges": described(plan.space.fields),
        "out": str(plan.search.path),
        "command": plan.command,
    }
    if plan.resume:
        _check_same(plan, load_json(plan.search.search), about)
    for number, recipe in enumerate(plan.recipes):
        save_json(plan.search.trial(number).recipe, recipe.to_dict())
    plan.folds.save(plan.search.folds)
    write_whole(plan.search.groups, groups_csv(plan.groups, plan.data.image_ids))
    save_json(plan.search.search, about)


def _check_same(plan: Plan, stored: dict[str, Any], about: dict[str, Any]) -> None:
    differing = [
        f"{name} was {stored.get(name)!r}, is {about[name]!r}" for name in _SAME if stored.get(name) != about[name]
    ]
    if about["trials"] < stored["trials"]:
        differing.append(f"trials were {stored['trials']}, are {about['trials']}; there can only be more of them")
    elif _recipes_hash(plan.recipes[: stored["trials"]]) != stored["recipes_hash"]:
        differing.append("the recipes are not those of the space as it now is")
    if differing:
        raise InputError("--resume: --out holds another search; these differ:", differing)
    if stored["code_hash"] != about["code_hash"]:
        changed = f"the code changed since this search began ({stored['code_hash']} -> {about['code_hash']})"
        if not plan.accept_changed_code:
            raise InputError(f"--resume: {changed}; --accept-changed-code goes on all the same")
        print(f"note: {changed}")


def _recipes_hash(recipes: Sequence[Recipe]) -> str:
    return hashlib.sha256(json.dumps([recipe.to_dict() for recipe in recipes]).encode()).hexdigest()[:16]
