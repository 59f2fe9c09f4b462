"""What a search is: written when it begins, and what a resume is held against. One code, one data set, one seed."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from cluster.plan import Plan
from cluster.snapshot import code_hash
from search_spaces import InputError, Space
from search_spaces.edges import described
from trainables.data.duplicates import groups_csv
from trainables.layout import load_json, save_json, write_whole

# What a resumed search must share with the one that it goes on with.
_SAME = ("space", "folds", "epochs", "metric", "seed", "searcher", "fold_hash")

_LIBRARIES = ("torch", "torchvision", "timm", "albumentations", "opencv-python-headless", "ray", "optuna")
"""Part of the code of a search, as far as its numbers go."""


def begin(plan: Plan) -> None:
    """Write what the search is, or hold it against what a resume finds."""
    about = {
        "space": plan.space.name,
        "data": str(plan.data_root),
        "weights": str(plan.weights) if plan.weights else None,
        "folds": plan.folds.count,
        "epochs": plan.epochs,
        "trials": plan.trials,
        "searcher": plan.searcher,
        "promote": plan.promote,
        "metric": plan.metric,
        "seed": plan.seed,
        "deterministic": plan.deterministic,
        "fold_hash": plan.folds.hash,
        "space_hash": _space_hash(plan.space),
        "code_hash": code_hash(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "classes": plan.data.classes,
        "rungs": plan.rungs,
        "ranges": described(plan.space.fields),
        "out": str(plan.search.path),
        "command": plan.command,
    }
    if plan.resume:
        _check_same(plan, load_json(plan.search.search), about)
    save_json(plan.search.search, about)  # first: from here on --resume has a search to go on with
    plan.folds.save(plan.search.folds)
    write_whole(plan.search.groups, groups_csv(plan.groups, plan.data.image_ids))


def _check_same(plan: Plan, stored: dict[str, Any], about: dict[str, Any]) -> None:
    differing = [
        f"{name} was {stored.get(name)!r}, is {about[name]!r}" for name in _SAME if stored.get(name) != about[name]
    ]
    if stored["trials"] and about["trials"] and about["trials"] < stored["trials"]:
        differing.append(f"trials were {stored['trials']}, are {about['trials']}; there can only be more of them")
    if about["space_hash"] != stored["space_hash"]:
        differing.append("the recipes are not those of the space as it now is")
    if differing:
        raise InputError("--resume: --out holds another search; these differ:", differing)
    changed = _changed_code(stored, about)
    if changed and not plan.accept_changed_code:
        raise InputError("--resume: the code changed since this search began; --accept-changed-code goes on", changed)
    for each in changed:
        print(f"note: changed since this search began: {each}")


def _changed_code(stored: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """Ours, and the libraries' that numbers depend on."""
    pairs = {"leafsearch": (stored["code_hash"], about["code_hash"])}
    pairs |= {name: (stored["libraries"].get(name), about["libraries"][name]) for name in _LIBRARIES}
    return [f"{name} was {was}, is {now}" for name, (was, now) in pairs.items() if was != now]


def _space_hash(space: Space) -> str:
    """Of all that decides which recipes there are, and in which order."""
    decides = json.dumps([space.fields, space.known_good, space.epochs, space.grid], default=_as_words, sort_keys=True)
    return hashlib.sha256(decides.encode()).hexdigest()[:16]


def _as_words(field: Any) -> Any:
    """A range as its name and what it holds."""
    return [type(field).__name__, vars(field)]
