"""What a search is: written when it begins, and what a resume is held against. One code, one data set, one seed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.plan import Plan
from search_spaces import InputError, Recipe
from trainables.data.duplicates import groups_csv
from trainables.layout import load_json, save_json, write_whole

PACKAGES = ("search_spaces", "trainables", "cluster", "analysis")

# What a resumed search must share with the one that it goes on with.
_SAME = ("space", "folds", "epochs", "trials", "metric", "seed", "fold_hash", "recipes_hash")


def begin(plan: Plan) -> None:
    """Write what the search is, or hold it against what a resume finds."""
    about = {
        "space": plan.space_name,
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
        "ranges": plan.ranges,
        "out": str(plan.search.path),
        "command": plan.command,
    }
    if plan.resume:
        _check_same(load_json(plan.search.search), about)
        return
    for number, recipe in enumerate(plan.recipes):
        save_json(plan.search.trial(number).recipe, recipe.to_dict())
    plan.folds.save(plan.search.folds)
    write_whole(plan.search.groups, groups_csv(plan.groups, plan.data.image_ids))
    save_json(plan.search.search, about)


def _check_same(stored: dict[str, Any], about: dict[str, Any]) -> None:
    differing = [
        f"{name} was {stored.get(name)!r}, is {about[name]!r}" for name in _SAME if stored.get(name) != about[name]
    ]
    if differing:
        raise InputError("--resume: --out holds another search; these differ:", differing)
    if stored["code_hash"] != about["code_hash"]:
        print(f"note: the code changed since this search began ({stored['code_hash']} -> {about['code_hash']})")


def _recipes_hash(recipes: Sequence[Recipe]) -> str:
    return hashlib.sha256(json.dumps([recipe.to_dict() for recipe in recipes]).encode()).hexdigest()[:16]


def package_folders() -> list[Path]:
    """Where the four packages are imported from."""
    specs = [importlib.util.find_spec(name) for name in PACKAGES]
    return [Path(str(spec.origin)).parent for spec in specs if spec]


def code_hash() -> str:
    """Of the Python files of the four packages, names and contents."""
    digest = hashlib.sha256()
    for folder in package_folders():
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
