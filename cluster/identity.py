"""What a search is: written when it begins, and what a resume is held against. One code, one data set, one seed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from cluster.asha import GRACE_EPOCHS
from cluster.snapshot import code_hash
from search_spaces import InputError, Space
from search_spaces.edges import described
from trainables.data.digits import write_digits
from trainables.data.duplicates import groups_csv
from trainables.data.skipped import skipped_csv
from trainables.files import load_object, save_json, write_whole
from trainables.node import LIBRARIES, libraries

if TYPE_CHECKING:
    from cluster.plan import Plan

# What a resumed search must share with the one that it goes on with.
_SAME = ("space", "folds", "epochs", "grace_period", "metric", "seed", "searcher", "data_hash", "fold_hash")
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
    if plan.data.root == plan.search.digits and not (plan.resume and plan.data.root.exists()):
        write_digits(plan.data.root, plan.seed)
    save_json(plan.search.search, about)  # from here on --resume has a search to go on with
    plan.folds.save(plan.search.folds)
    write_whole(plan.search.groups, groups_csv(plan.groups, plan.data.image_ids))
    if plan.data.skipped:
        write_whole(plan.search.skipped, skipped_csv(plan.data.skipped))
    plan.store.publish()


def _about(plan: Plan) -> dict[str, Any]:
    return {
        "space": plan.space.name,
        "data": plan.place.where,
        "weights": str(plan.weights) if plan.weights else None,
        "folds": plan.folds.count,
        "epochs": plan.epochs,
        "grace_period": plan.grace_period,
        "trials": plan.trials,
        "searcher": plan.searcher,
        "promotion": plan.promotion.kind,
        "promote": plan.promotion.count,
        "metric": plan.metric,
        "seed": plan.seed,
        "deterministic": plan.deterministic,
        "data_hash": plan.folds.data_hash,
        "fold_hash": plan.folds.hash,
        "space_hash": _space_hash(plan.space),
        "code_hash": code_hash(),
        "libraries": libraries(),
        "classes": plan.data.classes,
        "rungs": plan.rungs,
        "ranges": described(plan.space.fields),
        "out": plan.store.place,
        "command": plan.command,
    }


def check_resumed(plan: Plan) -> str | None:
    """Refuse a resume of another search than OUT holds. Returns what is worth a note, where it is allowed."""
    if not plan.resume:
        return None
    stored, about = load_object(plan.search.search, "trials", "space_hash", "code_hash", "libraries"), _about(plan)
    stored = {"grace_period": GRACE_EPOCHS, **stored}  # searches of earlier code had no other
    differing = [
        f"{name} was {stored.get(name)!r}, is {about[name]!r}{_MEANING.get(name, '')}"
        for name in _SAME
        if stored.get(name) != about[name]
    ]
    if "data_hash" in stored and stored["data_hash"] != about["data_hash"]:
        differing = [each for each in differing if not each.startswith("fold_hash")]  # of other data it says nothing
    if stored["trials"] and about["trials"] and about["trials"] < stored["trials"]:
        differing.append(f"trials were {stored['trials']}, are {about['trials']}; there can only be more of them")
    if about["space_hash"] != stored["space_hash"]:
        differing.append("the recipes are not those of the space as it now is")
    if differing:
        raise InputError("--resume: --out holds another search; these differ:", differing)
    changed = _changed_code(stored, about)
    if changed and not plan.accept_changed_code:
        raise InputError("--resume: the code changed since this search began; --accept-changed-code goes on", changed)
    return f"changed since this search began: {'; '.join(changed)}" if changed else None


def _changed_code(stored: dict[str, Any], about: dict[str, Any]) -> list[str]:
    """Ours, and the libraries' that numbers depend on."""
    pairs = {"leafsearch": (stored["code_hash"], about["code_hash"])}
    pairs |= {name: (stored["libraries"].get(name), about["libraries"][name]) for name in LIBRARIES}
    return [f"{name} was {was}, is {now}" for name, (was, now) in pairs.items() if was != now]


def _space_hash(space: Space) -> str:
    """Of all that decides which recipes there are, and in which order."""
    decides = json.dumps([space.fields, space.known_good, space.epochs, space.grid], default=_as_words, sort_keys=True)
    return hashlib.sha256(decides.encode()).hexdigest()[:16]


def _as_words(field: Any) -> Any:
    """A range as its name and what it holds."""
    return [type(field).__name__, vars(field)]
