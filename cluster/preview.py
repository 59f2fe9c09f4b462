"""What is said of a search before it begins, by `--plan` and at the start of every search."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch

from cluster.asha import REDUCTION_FACTOR
from cluster.budget import closing_s, comparing
from cluster.course import Limit
from cluster.outlook import Machines, Outlook, Size, described, outlook
from cluster.resources import Resources, Slots, resources
from cluster.snapshot import code_hash
from search_spaces.errors import shortened
from search_spaces.recipe import Recipe
from trainables.bar import bar
from trainables.data.digits import write_digits
from trainables.data.pixels import pixels_folder
from trainables.files import load_json, save_json
from trainables.node import gpu_bytes
from trainables.throughput import Key, Throughput, as_in_the_diary, measured

if TYPE_CHECKING:
    from cluster.plan import Plan

TRIALS_OF_A_BUDGET = 64
"""Trials at once, where a budget says how many there are."""

_START_S = 6.0
"""Of Ray, and of its first worker besides the imports."""

_TURNOVER_S = 0.5

_PACE_SD = 0.15
"""Of the logarithm of a machine's pace about what was measured. In eight searches on digits within an hour and a half,
one trial's median epoch took 1.42 to 2.28 s on 2 cores of a shared machine: a standard deviation of 18 %."""


def resources_here(plan: Plan, gpus: int | None) -> Resources:
    """What trials would get on this machine, or on one with so many GPUs; one, where the space needs a GPU, and as many
    as `--gpus-per-fold` says."""
    wishes = plan.wishes
    wanted = wishes.space_gpus if wishes.gpus_per_trial is None else wishes.gpus_per_trial
    have = torch.cuda.device_count() if gpus is None else gpus
    several = wishes.gpus_per_fold if wishes.gpus_per_fold > 1 else 0
    have = max(have, int(wanted > 0), several if gpus is None else 0)
    least_cpus = max(several, 1) * (wishes.cpus_per_trial or 1)
    cpus = max(psutil.cpu_count() or 1, least_cpus)  # the cluster's may be larger; it is asked later
    node = {"CPU": float(cpus), "GPU": float(have)}
    return resources([node], wishes, plan.gpu_bytes or gpu_bytes(), len(plan.data.classes))


def measured_here(plan: Plan, found: Slots) -> dict[Key, Throughput]:
    """A few steps of every kind of recipe, on the plan's own images."""
    with tempfile.TemporaryDirectory() as scratch, bar("measuring", plan.quiet) as update:
        data = plan.data
        if data.root == plan.search.digits and not data.root.exists():  # they are written when the search begins
            write_digits(Path(scratch), plan.seed)
            data = replace(data, root=Path(scratch))
        return measured(plan.recipes, data, plan.setting(found), update)


def outlook_of(plan: Plan, found: Resources) -> Outlook:
    """What the search will come to on these machines, at the pace that was measured, or else the diary's."""
    train_rows, val_rows = plan.folds.split(0)
    recipes = plan.recipes
    size = Size(
        plan.epochs,
        plan.rungs,
        plan.promotion,
        len(train_rows),
        len(val_rows),
        len(plan.data.test_ids),
        len(plan.data.classes),
        plan.largest_tta_count,
        0 if plan.space.grid else len(plan.space.known_good),
        len(plan.denoise_folds) if plan.denoise != "none" else 0,
    )
    machines = Machines(
        found.usual.concurrent,  # trials that share a GPU count as if one came after the other
        max(found.of(recipe).concurrent for recipe in recipes),
        found.of_folds.usual.concurrent if found.of_folds is not found else 0,
        _START_S + plan.imports_s,
        _TURNOVER_S,
        _PACE_SD,
    )
    throughputs = plan.throughputs or as_in_the_diary(recipes)
    endless = plan.trials is None and len(recipes) == plan.space.trials
    return outlook(size, recipes, machines, throughputs, plan.adaptive, _limit(plan), endless)


def _limit(plan: Plan) -> Limit | None:
    if not plan.budget:
        return None
    predictions = len(plan.folds.validated) * len(plan.data.classes)
    blends = comparing(plan.imports_s, plan.folds.count, predictions)
    return Limit(plan.budget, plan.stages, blends, closing_s(plan.imports_s))


def write_forecast(plan: Plan, found: Resources) -> None:
    """For the report. A search that goes on keeps what was said at first, unless it is to do something else now.

    Times that were not measured here are held against nothing, nor what follows from them.
    """
    path = plan.search.forecast
    asked = {
        "trials": plan.trials,
        "promotion": str(plan.promotion),
        "budget": asdict(plan.budget) if plan.budget else None,
        "denoise": plan.denoise if plan.denoise != "none" else None,
    }
    if path.exists() and {name: load_json(path).get(name) for name in asked} == asked:
        return
    path.unlink(missing_ok=True)
    foretold = outlook_of(plan, found)
    if foretold.forecast is None or (plan.budget.seconds is not None and not plan.throughputs):
        return
    said = {**asked, **foretold.to_dict()}
    if plan.denoise != "none" or not plan.throughputs:
        said.pop("wall_s", None)  # it knows nothing of denoising
    save_json(path, said)


def preview(plan: Plan, gpus: int | None, price: float | None) -> str:
    """What the plan is, and what it will come to."""
    promotion = plan.promotion.count * (plan.folds.count - 1) * plan.epochs
    data = plan.data
    images = f"{len(data.image_ids)} images of {len(data.classes)} classes, {len(data.test_ids)} to predict"
    return "\n".join(
        (
            f"data       {plan.place.where}: {images}",
            f"folds      {plan.folds.count}, stratified, {_duplicates(plan)}, hash {plan.folds.hash}",
            f"space      {plan.space.name}: {', '.join(plan.space.values('backbone'))}",
            *_skipped(plan),
            *_known(plan),
            f"search     {plan.trials or 'as many'} trials of at most {plan.epochs} epochs on fold 0"
            f"{'' if plan.trials else ' as the budget allows'}, ASHA on {plan.metric} "
            f"(grace {plan.grace_period}, factor {REDUCTION_FACTOR}, rungs {', '.join(map(str, plan.rungs)) or 'none'})"
            + (f": at most {plan.trials * plan.epochs} epochs" if plan.trials else ""),
            f"promotion  {plan.promotion}: {promotion} epochs more{_together(plan)}",
            *_denoised(plan),
            *_expected(plan, gpus, price),
            *_cached(plan),
            f"code       {code_hash()}, the same for every trial on every node",
            f"out        {plan.store.place}",
        )
    )


def _together(plan: Plan) -> str:
    count = plan.wishes.gpus_per_fold
    return f", each fold on {count} GPUs of a machine, which what is expected counts no faster than one" * (count > 1)


def _cached(plan: Plan) -> list[str]:
    if not plan.cache_gb:
        return []
    return [f"cache      at most {plan.cache_gb:g} GB of decoded images on each machine, in {pixels_folder().parent}"]


def _denoised(plan: Plan) -> list[str]:
    if plan.denoise == "none":
        return []
    folds = ", ".join(map(str, plan.denoise_folds))
    epochs = plan.promotion.count * len(plan.denoise_folds) * plan.epochs
    return [
        f"denoise    {plan.denoise}: the promoted once more, rows cleaned, folds {folds}: {epochs} epochs more, "
        "which what is expected leaves out"
    ]


def _expected(plan: Plan, gpus: int | None, price: float | None) -> list[str]:
    here = resources_here(plan, gpus)
    found, folds = here.usual, here.of_folds.usual
    by = "measured here" if plan.throughputs else "at the pace of the diary's GPU"
    paid = max(found.concurrent * found.gpus, folds.concurrent * folds.gpus) or 1
    together = f", {folds.concurrent} of {_share(folds)} for folds" if folds.processes > 1 else ""
    machines = f"{found.concurrent} slots of {_share(found)}{together}, {by}"
    return [*_shares(here, plan.recipes, plan.quiet), *described(outlook_of(plan, here), machines, price, paid)]


def _shares(here: Resources, recipes: Sequence[Recipe], quiet: bool) -> list[str]:
    """How the recipes share GPUs, where they do."""
    if not here.gpu_bytes:
        return []
    counts: Counter[float] = Counter()
    with bar("memory of recipes", quiet) as update:
        for done, recipe in enumerate(recipes, start=1):
            counts[here.of(recipe).gpus] += 1
            update(done, len(recipes))
    each = ", ".join(f"{count} of {share:g} GPU" for share, count in sorted(counts.items()))
    return [f"shares     trials {each}, by the memory that each needs of {here.gpu_bytes / 1e9:.0f} GB"]


def _share(found: Slots) -> str:
    return f"{found.gpus:g} GPU" if found.gpus else f"{found.cpus} CPU core{'s' if found.cpus > 1 else ''}"


def _skipped(plan: Plan) -> list[str]:
    """What is left out, where something is."""
    skipped = plan.data.skipped
    tests = int((~plan.data.readable_tests).sum())
    counts = f"{len(skipped) - tests} training and {tests} test images that cannot be used"
    note = "; the commonest class is answered for those" if tests else ""
    return [f"skipped    {counts}{note}", *shortened([f"  {each}" for each in skipped], 5)] if skipped else []


def _known(plan: Plan) -> list[str]:
    """What was found before, where the space says so."""
    space = plan.space
    return [
        f"known      {accuracy:.4f} ± {space.expected_se:.4f} on {space.expected_on} with "
        + ", ".join(f"{name} {value}" for name, value in fields.items())
        for fields, accuracy in space.expected
    ]


def _duplicates(plan: Plan) -> str:
    sizes = np.bincount(plan.groups)
    return f"{int(sizes[sizes > 1].sum())} images in {int((sizes > 1).sum())} groups of duplicates"
