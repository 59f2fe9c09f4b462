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
from trainables.layout import FoldFolder, denoised_number, load_rows, save_json, write_whole
from trainables.trial import load_recipe, oof_pred_probs

Row = dict[str, Any]
"""`trial`, its `origin`, the way (`denoise`), and rows changed by fold (`changed`)."""


def denoise(plan: Plan, slots: Resources, spending: Spending, promoted: list[int]) -> list[int]:
    """Train the denoised version of each promoted trial, where one was asked for; returns their numbers.

    What is trained already stays, also over a change of `--denoise`; trials that an earlier driver denoised and that
    are no longer asked for lose their weights. One that diverges on a fold is left out, and named.
    """
    prepared = [_prepared(plan, number) for number in promoted] if plan.denoise != "none" else []
    rows = [row for row in prepared if row]
    _forget_others(plan, [row["trial"] for row in rows])
    save_json(plan.search.denoised, rows)
    if not rows:
        return []
    numbers = [row["trial"] for row in rows]
    train_folds(plan, slots, spending, numbers, range(plan.folds.count), f"denoising, {plan.denoise}")
    kept = whole(plan, numbers, plan.folds.count, "left out")
    save_json(plan.search.denoised, [row for row in rows if row["trial"] in kept])
    return kept


def _prepared(plan: Plan, origin: int) -> Row | None:
    """The folder of a denoised trial with all that its trainings read; None where nothing looks wrong."""
    recipe = load_recipe(plan.search.trial(origin))
    probs = oof_pred_probs(plan.search, origin, plan.folds)
    tables: dict[int, str] = {}
    changed: dict[int, int] = {}
    for fold in plan.denoise_folds:
        rows = plan.folds.split(fold)[0]
        rows = rows[plan.data.trains_on(recipe.sources)[rows]]
        table = cleaned_rows(plan.denoise, plan.data, rows, probs)
        if len(table) or plan.store.bucket:  # nobody copies nets in a bucket
            tables[fold], changed[fold] = table.to_csv(index=False), len(table)
    if not any(changed.values()):
        print(f"note: no label looks wrong to trial {origin:03d}; there is nothing to denoise")
        return None
    number = denoised_number(origin, plan.denoise)
    _begin_folds(plan, origin, number, tables)
    save_json(plan.search.trial(number).recipe, replace(recipe, denoise=plan.denoise).to_dict())
    return {"trial": number, "origin": origin, "denoise": plan.denoise, "changed": changed}


def _begin_folds(plan: Plan, origin: int, number: int, tables: Mapping[int, str]) -> None:
    plain, denoised = plan.search.trial(origin), plan.search.trial(number)
    for fold in range(plan.folds.count):
        folder = denoised.fold(fold)
        if folder.path.exists() and _table(folder) != tables.get(fold):
            # of an earlier `--denoise-folds`, or of an origin that was trained again since and judges otherwise now
            plan.store.forget(number, fold)
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


def _forget_others(plan: Plan, numbers: list[int]) -> None:
    stored = load_rows(plan.search.denoised, "trial") if plan.search.denoised.exists() else []
    for row in stored:
        if row["trial"] not in numbers:
            for fold in range(plan.folds.count):
                plan.store.forget(row["trial"], fold)
