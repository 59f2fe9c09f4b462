"""From flags to a checked plan: whatever is wrong with the input is said here, before anything is trained."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from cluster.asha import GRACE_EPOCHS, rung_epochs
from cluster.budget import Budget
from cluster.flags import command, promoted_count
from cluster.identity import check_resumed
from cluster.out import check_out
from cluster.preview import TRIALS_OF_A_BUDGET, measured_here, preview, resources_here
from cluster.promotion import Promotion
from cluster.resources import Slots, Wishes
from cluster.snapshot import check_code, code_hash
from cluster.store import Store, open_store
from cluster.tracking import check_tracker
from cluster.warm_start import check_same_folds
from search_spaces import InputError, Space
from search_spaces.errors import together
from search_spaces.recipe import Recipe
from trainables.bar import bar
from trainables.bucket import is_bucket
from trainables.checks import check_backbones, check_divides, check_on_data, check_recipes
from trainables.data.digits import write_digits
from trainables.data.duplicates import duplicate_groups, read_groups
from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import Contents, ImageData, check_data
from trainables.data.place import DataPlace
from trainables.durations import seconds_of
from trainables.layout import SearchFolder
from trainables.member import Member, promoted_members
from trainables.node import NodeFacts, facts
from trainables.setting import Setting
from trainables.terminal import fitted
from trainables.throughput import Key, Throughput
from trainables.trial import load_recipe


@dataclass(frozen=True)
class Plan:
    """What a search will do, with everything checked."""

    store: Store
    place: DataPlace
    """Where every machine finds the data."""
    data: ImageData
    """On this one."""
    folds: Folds
    groups: NDArray[np.int64]
    trials: int | None
    """To be judged; None where a budget decides."""
    searcher: str
    budget: Budget
    imports_s: float
    """From the start of the process to the first line of its own work: how fast this machine is."""
    promotion: Promotion
    grace_period: int
    """Epochs of every trial before ASHA may stop it."""
    metric: str
    seed: int
    weights: Path | None
    largest_tta_count: int
    wishes: Wishes
    """Where a budget says how many trials there are, a cluster that grows is asked for `TRIALS_OF_A_BUDGET` at once."""
    gpu_bytes: int
    """Memory of a GPU, where a flag says it; else 0."""
    cache_gb: float
    """Disk of each machine for decoded images."""
    deterministic: bool
    adaptive: bool
    denoise: str
    """How the promoted trials' training rows are cleaned, one of `kinds.DENOISES`."""
    denoise_folds: tuple[int, ...]
    resume: bool
    track: str | None
    """The tracker that is told of every trial, one of `kinds.TRACKERS`."""
    quiet: bool
    command: str
    accept_changed_code: bool
    space: Space
    recipes: Sequence[Recipe]
    """Of the trials that are to be judged, in order; those that fail, or are too slow for a budget, are replaced by
    further ones.

    Where a budget decides, the first of them: as many as there usually are, if the space has so many.
    """
    node: NodeFacts
    """What this machine has, and every other must have."""
    throughputs: Mapping[Key, Throughput] = field(default_factory=dict)
    """By kind of recipe, where `--measure` found them."""

    @property
    def search(self) -> SearchFolder:
        """OUT, or this machine's copy of it."""
        return self.store.search

    @property
    def epochs(self) -> int:
        return int(self.space.fields["epochs"])

    @property
    def rungs(self) -> tuple[int, ...]:
        return rung_epochs(self.epochs, self.grace_period)

    @property
    def scored_epochs(self) -> frozenset[int]:
        """After which a trial is scored at every TTA count."""
        return frozenset((*self.rungs, self.epochs))

    @property
    def stages(self) -> tuple[range, ...]:
        """Folds that promotion trains side by side. Fold 0 chose the members and rules out nobody: fold 1 joins it."""
        count = self.folds.count
        return (range(0, 2), *(range(fold, fold + 1) for fold in range(2, count))) if self.adaptive else (range(count),)

    def promoted_before(self) -> list[Member]:
        """By an earlier driver of this search, best first."""
        return promoted_members(self.search, self.folds.count) if self.search.promoted.exists() else []

    def is_trained(self, number: int, fold: int) -> bool:
        """Whether every net of the trial that answers in the fold is here."""
        trial = self.search.trial(number)
        return trial.fold(fold).trained(load_recipe(trial))

    def setting(self, slots: Slots) -> Setting:
        """What every training of this search shares."""
        return Setting(
            self.weights,
            self.largest_tta_count,
            self.rungs,
            cache_gb=self.cache_gb,
            micro_batches=self.search.micro_batches,
            deterministic=self.deterministic,
            code_hash=code_hash(),
            node=self.node,
            bucket=self.store.bucket,
        ).on(slots.cpus, slots.gpus)


def make_plan(flags: argparse.Namespace, space: Space) -> Plan | None:
    """The checked plan of a search in that space, `space_of(flags)`. None where `--plan` asked for the words only."""
    imports_s = time.time() - psutil.Process().create_time()
    check_code(flags.code)
    if flags.track:
        check_tracker(flags.track, flags.resume)
    plan = _checked(flags, space, imports_s)
    check_resumed(plan)
    if flags.measure:
        plan = replace(plan, throughputs=measured_here(plan, resources_here(plan, flags.gpus).usual))
    if flags.plan or not flags.quiet:
        print(fitted(preview(plan, flags.gpus, flags.price)), flush=True)
    return None if flags.plan else plan


def _checked(flags: argparse.Namespace, space: Space, imports_s: float) -> Plan:
    """The budget first, then OUT, then the data, which may take a while."""
    budget = _budget(flags, space)
    out = flags.out or Path("runs") / f"{space.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    store = open_store(out, flags.resume)
    check_out(store.search, flags.resume)
    trials = flags.trials or (None if budget and not space.grid else space.trials)
    recipes = _checked_recipes(flags, space, trials)
    place, data, contents = _checked_data(flags, store)
    check_on_data(recipes, data)
    groups = _groups(flags.groups, data, contents)
    return Plan(
        store=store,
        place=place,
        data=data,
        folds=_folds(flags, data, contents, groups),
        groups=groups,
        trials=trials,
        searcher=flags.searcher,
        budget=budget,
        imports_s=imports_s,
        promotion=_promotion(flags, space),
        grace_period=_grace_period(flags),
        metric=flags.metric,
        seed=flags.seed,
        weights=flags.weights.resolve() if flags.weights else None,
        largest_tta_count=space.largest_tta_count(),
        wishes=_wishes(flags, space, trials),
        gpu_bytes=int((flags.gpu_memory or 0) * 1e9),
        cache_gb=flags.cache_gb,
        deterministic=flags.deterministic,
        adaptive=flags.adaptive,
        denoise=flags.denoise,
        denoise_folds=tuple(sorted({*flags.denoise_folds} or range(flags.folds))),
        resume=flags.resume,
        track=flags.track,
        quiet=flags.quiet,
        command=command(flags, out),
        accept_changed_code=flags.accept_changed_code,
        space=space,
        recipes=recipes,
        node=facts(place),
    )


def _checked_recipes(flags: argparse.Namespace, space: Space, trials: int | None) -> list[Recipe]:
    """The first recipes of the space, as many as there will be trials, or usually are."""
    recipes = space.recipes(trials, flags.seed) if trials else list(islice(space.stream(flags.seed), space.trials))
    together(
        lambda: check_backbones(space.values("backbone"), bool(space.fields.get("pretrained")) and not flags.weights),
        lambda: check_recipes(recipes, flags.weights),
        lambda: _check_not_denoised(recipes),
        lambda: check_divides(recipes, flags.gpus_per_fold),
    )
    return recipes


def _check_not_denoised(recipes: Sequence[Recipe]) -> None:
    """What looks wrong is known once all folds of a recipe are trained, and not before its first."""
    ways = dict.fromkeys(recipe.denoise for recipe in recipes if recipe.denoise != "none")
    if ways:
        raise InputError(f"denoise must be 'none' in a space, got {', '.join(ways)}; --denoise cleans the promoted")


def _promotion(flags: argparse.Namespace, space: Space) -> Promotion:
    return Promotion(flags.promotion, promoted_count(flags, space), flags.folds)


def _grace_period(flags: argparse.Namespace) -> int:
    return GRACE_EPOCHS if flags.grace_period is None else int(flags.grace_period)


def _budget(flags: argparse.Namespace, space: Space) -> Budget:
    """What the search may cost; an epoch budget must have room for the promotion and something to choose from."""
    budget = Budget(seconds_of(flags.time_budget, "--time-budget") if flags.time_budget else None, flags.epoch_budget)
    promotion, epochs = _promotion(flags, space), int(space.fields["epochs"])
    least = promotion.count * (promotion.folds * epochs + min(_grace_period(flags), epochs))
    if budget.epochs is not None and budget.epochs < least:
        raise InputError(
            f"--epoch-budget must be at least {least}, got {budget.epochs}: promotion alone takes "
            f"{promotion.count} members x {promotion.folds} folds x {epochs} epochs "
            "(--promotion, --promote, --folds, --epochs), and each must be found in its first epochs (--grace-period)"
        )
    return budget


def _checked_data(flags: argparse.Namespace, store: Store) -> tuple[DataPlace, ImageData, Contents]:
    """The data and what its images showed. Digits are written elsewhere here: OUT is not begun yet."""
    search, skip_bad = store.search, flags.bad_images == "skip"
    if is_bucket(flags.data) or (flags.data == "digits" and store.bucket):
        place = DataPlace(flags.data, flags.seed)
        with bar("fetching data", flags.quiet) as update:
            root = place.here(update)
        with bar("checking images", flags.quiet) as update:
            return place, *check_data(root, update, skip_bad)
    with tempfile.TemporaryDirectory() as scratch, bar("checking images", flags.quiet) as update:
        if flags.data != "digits":
            data, contents = check_data(Path(flags.data), update, skip_bad)
            return DataPlace(str(data.root)), data, contents
        there = flags.resume and search.digits.exists()
        root = search.digits if there else Path(scratch)
        if not there:
            write_digits(root, flags.seed)
        data, contents = check_data(root, update)
        return DataPlace(str(search.digits)), replace(data, root=search.digits), contents


def _groups(table: Path | None, data: ImageData, contents: Contents) -> NDArray[np.int64]:
    if table is not None:
        return read_groups(table, data.image_ids, [each.image_id for each in data.skipped])
    return duplicate_groups(contents.thumbnails, contents.digests)


def _folds(flags: argparse.Namespace, data: ImageData, contents: Contents, groups: NDArray[np.int64]) -> Folds:
    """The search's, which are those of the search that it starts warm from, unless only recipes are taken from it."""
    folds = make_folds(data, flags.folds, flags.seed, contents.hash, groups, flags.train_only)
    if flags.warm_start and not flags.recipes_only:
        check_same_folds(flags.warm_start, folds.hash)
    return folds


def _wishes(flags: argparse.Namespace, space: Space, trials: int | None) -> Wishes:
    return Wishes(
        trials or TRIALS_OF_A_BUDGET,
        flags.concurrent,
        flags.gpus_per_trial,
        flags.cpus_per_trial,
        space.gpus_per_trial,
        flags.gpus_per_fold,
    )
