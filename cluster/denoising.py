"""`--denoise`: the promoted trials once more, their training rows cleaned, fold by fold, as trials of their own.

A denoised trial has a folder and a number like others (`layout.denoised_number`), and the ensemble may choose it beside
its origin; but it is none of the search's: nothing stops, ranks or replaces it. A fold that was not asked for, or where
nothing looks wrong, has its origin's net.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cluster.folds import train_folds, whole
from cluster.plan import Plan
from cluster.resources import Resources
from cluster.spending import Spending
from trainables.data.cleaned import cleaned_rows
from trainables.files import load_rows, save_json, write_whole
from trainables.layout import FoldFolder, denoised_number
from trainables.member import Member, oof_pred_probs, pairs_of
from trainables.trial import load_recipe

Row = dict[str, Any]
"""`trial` and its `origin`, as members are stored, the way (`denoise`), and rows changed by fold (`changed`)."""


def denoise(plan: Plan, slots: Resources, spending: Spending, promoted: list[Member]) -> list[Member]:
    """Train the denoised version of each promoted member, where one was asked for, and return them.

    What is trained already stays, also over a change of `--denoise`; trials that an earlier driver denoised and that
    are no longer asked for lose their weights. One that diverges on a fold is left out, and named.
    """
    prepared = [_prepared(plan, member) for member in promoted] if plan.denoise != "none" else []
    rows = [row for row in prepared if row]
    members = [Member.of(row["trial"], plan.folds.count) for row in rows]
    _forget_others(plan, members)
    save_json(plan.search.denoised, rows)
    if not rows:
        return []
    train_folds(plan, slots, spending, members, range(plan.folds.count), f"denoising, {plan.denoise}")
    kept = whole(plan, members, plan.folds.count, "left out")
    save_json(plan.search.denoised, [row for row, member in zip(rows, members, strict=True) if member in kept])
    return kept


def _prepared(plan: Plan, origin: Member) -> Row | None:
    """The folders of a denoised member with all that its trainings read; None where nothing looks wrong."""
    recipes = {number: load_recipe(plan.search.trial(number)) for number in origin.trials}
    probs = oof_pred_probs(plan.search, origin, plan.folds)
    tables: dict[int, str] = {}
    changed: dict[int, int] = {}
    for fold in plan.denoise_folds:
        rows = plan.folds.split(fold)[0]
        rows = rows[plan.data.trains_on(recipes[origin.trials[fold]].sources)[rows]]
        table = cleaned_rows(plan.denoise, plan.data, rows, probs)
        if len(table) or plan.store.bucket:  # nobody copies nets in a bucket
            tables[fold], changed[fold] = table.to_csv(index=False), len(table)
    if not any(changed.values()):
        print(f"note: no label looks wrong to trial {origin}; there is nothing to denoise")
        return None
    denoised = Member(tuple(denoised_number(number, plan.denoise) for number in origin.trials))
    _begin_folds(plan, origin, denoised, tables)
    for number, own in zip(origin.trials, denoised.trials, strict=True):
        save_json(plan.search.trial(own).recipe, replace(recipes[number], denoise=plan.denoise).to_dict())
    return {"trial": denoised.stored, "origin": origin.stored, "denoise": plan.denoise, "changed": changed}


def _begin_folds(plan: Plan, origin: Member, denoised: Member, tables: Mapping[int, str]) -> None:
    for (number, fold), own in zip(origin.pairs, denoised.trials, strict=True):
        plain, folder = plan.search.trial(number), plan.search.trial(own).fold(fold)
        if folder.path.exists() and _table(folder) != tables.get(fold):
            # of an earlier `--denoise-folds`, or of an origin that was trained again since and judges otherwise now
            plan.store.forget(own, fold)
            shutil.rmtree(folder.path)
        if fold not in tables:
            if not folder.trained(load_recipe(plain)):
                _copy(plain.fold(fold), folder)
        elif not folder.cleaned.exists():
            write_whole(folder.cleaned, tables[fold])


def _table(folder: FoldFolder) -> str | None:
    return folder.cleaned.read_text() if folder.cleaned.exists() else None


def _copy(plain: FoldFolder, folder: FoldFolder) -> None:
    """All that a finished training left; the weights last, since they are what says that a fold is trained."""
    not_copied = (plain.checkpoint, plain.earlier_checkpoint, plain.search_probs, plain.weights)
    for source in sorted(plain.path.iterdir()):
        if source not in not_copied and not source.name.startswith((".", "events.")):
            write_whole(folder.path / source.name, source.read_bytes())
    write_whole(folder.weights, plain.weights.read_bytes())


def _forget_others(plan: Plan, members: list[Member]) -> None:
    stored = load_rows(plan.search.denoised, "trial") if plan.search.denoised.exists() else []
    before = pairs_of([Member.of(row["trial"], plan.folds.count) for row in stored], range(plan.folds.count))
    for pair in {*before} - {*pairs_of(members, range(plan.folds.count))}:
        plan.store.forget(*pair)
