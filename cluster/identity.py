"""What a search is: written when it begins, and what a resume is held against. One code, one data set, one seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cluster.snapshot import code_hash
from search_spaces import InputError, Recipe
from search_spaces.edges import described
from trainables.data.digits import write_digits
from trainables.data.duplicates import groups_csv
from trainables.data.skipped import skipped_csv
from trainables.layout import load_object, save_json, write_whole

if TYPE_CHECKING:
    from cluster.plan import Plan

# What a resumed search must share with the one that it goes on with.
_SAME = ("space", "folds", "epochs", "metric", "seed", "data_hash", "fold_hash")
_MEANING = {
    "data_hash": ": labels, tables or images changed since this search began",
    "fold_hash": ": other images validate in a fold",
}


def begin(plan: Plan) -> None:
    """Write what the search is, with OUT's lock held."""
    about = _about(plan)
    note = check_resumed(plan)
    if note:
        print(f"note: {note}")
    if plan.data_root == plan.search.digits and not (plan.resume and plan.data_root.exists()):
        write_digits(plan.data_root, plan.seed)
    for number, recipe in enumerate(plan.recipes):
        save_json(plan.search.trial(number).recipe, recipe.to_dict())
    plan.folds.save(plan.search.folds)
    write_whole(plan.search.groups, groups_csv(plan.groups, plan.data.image_ids))
    if plan.data.skipped:
        write_whole(plan.search.skipped, skipped_csv(plan.data.skipped))
    save_json(plan.search.search, about)


def _about(plan: Plan) -> dict[str, Any]:
    return {
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
        "data_hash": plan.folds.data_hash,
        "fold_hash": plan.folds.hash,
        "recipes_hash": _recipes_hash(plan.recipes),
        "code_hash": code_hash(),
        "classes": plan.data.classes,
        "rungs": plan.rungs,
        "ranges": described(plan.space.fields),
        "out": str(plan.search.path),
        "command": plan.command,
    }


def check_resumed(plan: Plan) -> str | None:
    """Refuse a resume of another search than OUT holds. Returns what is worth a note, where it is allowed."""
    if not plan.resume:
        return None
    stored, about = load_object(plan.search.search, "trials", "recipes_hash", "code_hash"), _about(plan)
    differing = [
        f"{name} was {stored.get(name)!r}, is {about[name]!r}{_MEANING.get(name, '')}"
        for name in _SAME
        if stored.get(name) != about[name]
    ]
    if "data_hash" in stored and stored["data_hash"] != about["data_hash"]:
        differing = [each for each in differing if not each.startswith("fold_hash")]  # of other data it says nothing
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
        return changed
    return None


def _recipes_hash(recipes: Sequence[Recipe]) -> str:
    return hashlib.sha256(json.dumps([recipe.to_dict() for recipe in recipes]).encode()).hexdigest()[:16]
