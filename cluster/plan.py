"""From flags to a checked plan: whatever is wrong with the input is said here, before anything is trained."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shlex
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.asha import GRACE_EPOCHS, REDUCTION_FACTOR, rung_epochs
from search_spaces import InputError, Recipe, Space, load_space
from trainables.backbones import check_backbones, check_downloads, has_local_weights, local_weights
from trainables.bar import bar
from trainables.data.digits import write_digits
from trainables.data.folds import Folds, make_folds
from trainables.data.kaggle import ImageData, check_data
from trainables.layout import SearchFolder, load_json, save_json
from trainables.scores import METRICS
from trainables.setting import Setting

PACKAGES = ("search_spaces", "trainables", "cluster", "analysis")

# What a resumed search must share with the one that it goes on with.
_SAME = ("space", "folds", "epochs", "trials", "metric", "seed", "fold_hash", "recipes_hash")


@dataclass(frozen=True)
class Plan:
    """What a search will do, with everything checked."""

    search: SearchFolder
    data_root: Path
    data: ImageData
    folds: Folds
    recipes: tuple[Recipe, ...]
    promote: int
    metric: str
    seed: int
    weights: Path | None
    largest_tta_count: int
    wanted_gpus: float
    concurrent: int | None
    gpus_per_trial: float | None
    resume: bool
    quiet: bool
    command: str
    space_name: str

    @property
    def epochs(self) -> int:
        return self.recipes[0].epochs

    @property
    def rungs(self) -> tuple[int, ...]:
        return rung_epochs(self.epochs)

    def setting(self, threads: int, loader_workers: int) -> Setting:
        """What every training of this search shares."""
        return Setting(self.weights, self.largest_tta_count, self.rungs, threads, loader_workers)


def read_flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line of search.py. argparse ends with exit code 2 where it is malformed."""
    parser = argparse.ArgumentParser(
        prog="search.py",
        description="Search hyperparameters on fold 0, promote the best trials to all folds, ensemble them.",
    )
    add = parser.add_argument
    add("--space", default="digits", help="digits, leaves, cassava, or a .py file that defines SPACE (default: digits)")
    add("--data", default="digits", help="folder in the Kaggle layout, or 'digits' (default)")
    add("--out", type=Path, help="folder for all results (default: runs/SPACE-TIME)")
    add("--trials", type=int, help="recipes to try (default: the space's)")
    add("--epochs", type=int, help="epochs of a whole training (default: the space's)")
    add("--promote", type=int, metavar="K", help="trials that earn all folds (default: the space's)")
    add("--folds", type=int, default=5)
    add("--weights", type=Path, metavar="DIR", help="folder of NAME.safetensors to begin from, in place of downloads")
    add("--metric", choices=METRICS, default="val_loss", help="what ASHA, promotion and ensemble improve")
    add("--seed", type=int, default=0)
    add("--concurrent", type=int, metavar="N", help="trials at once (default: one a CPU core, or as GPUs allow)")
    add(
        "--gpus-per-trial",
        type=float,
        metavar="F",
        help="may be a fraction (default: the space's, or 1 where there are)",
    )
    add("--resume", action="store_true", help="go on with the search in --out")
    add("--plan", action="store_true", help="check everything, say what would be done, and stop")
    add("--quiet", action="store_true", help="print the result only")
    return parser.parse_args(arguments)


def make_plan(arguments: Sequence[str] | None = None) -> Plan | None:
    """The checked plan. None where `--plan` asked for the words only."""
    flags = read_flags(arguments)
    space = load_space(flags.space)
    _check_numbers(flags, space)
    space = _decided(space, flags)
    out = flags.out or Path("runs") / f"{space.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    search = SearchFolder(out.resolve())
    _check_out(search, flags.resume)
    recipes = tuple(space.recipes(flags.trials or space.trials, flags.seed))
    _check_nets(space, recipes, flags.weights)
    with tempfile.TemporaryDirectory() as scratch:
        root = _data_root(flags, Path(scratch) if flags.plan else search.digits)
        with bar("checking images", flags.quiet) as update:
            data, data_hash = check_data(root, update)
    folds = make_folds(data, flags.folds, flags.seed, data_hash)
    plan = Plan(
        search=search,
        data_root=data.root,
        data=data,
        folds=folds,
        recipes=recipes,
        promote=flags.promote or space.promote,
        metric=flags.metric,
        seed=flags.seed,
        weights=flags.weights.resolve() if flags.weights else None,
        largest_tta_count=space.largest_tta_count(),
        wanted_gpus=space.gpus_per_trial,
        concurrent=flags.concurrent,
        gpus_per_trial=flags.gpus_per_trial,
        resume=flags.resume,
        quiet=flags.quiet,
        command=_command(flags, out),
        space_name=space.name,
    )
    if flags.plan or not flags.quiet:
        print(_described(plan, space), flush=True)
    return None if flags.plan else plan


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


def _decided(space: Space, flags: argparse.Namespace) -> Space:
    if flags.weights is not None:
        space = _space_with_weights(space, flags.weights)
    return space.fixed(seed=flags.seed, epochs=flags.epochs or space.epochs)


def _space_with_weights(space: Space, folder: Path) -> Space:
    if space.fields.get("pretrained") is not True:
        raise InputError(f"--weights: the recipes of the space {space.name!r} train from scratch and read no weights")
    names = space.values("backbone")
    if not folder.is_dir() or not any(has_local_weights(name, folder) for name in names):
        wanted = ", ".join(f"{name}.safetensors" for name in names)
        raise InputError(f"--weights must be a folder that holds at least one of {wanted}; got {str(folder)!r}")
    return space.keeping_backbones(lambda name: has_local_weights(name, folder))


def _check_numbers(flags: argparse.Namespace, space: Space) -> None:
    problems = [
        f"--{name.replace('_', '-')} must be at least {least}, got {value}"
        for name, least in (("trials", 1), ("epochs", 1), ("promote", 1), ("folds", 2), ("concurrent", 1), ("seed", 0))
        if (value := getattr(flags, name)) is not None and value < least
    ]
    if flags.gpus_per_trial is not None and flags.gpus_per_trial < 0:
        problems.append(f"--gpus-per-trial must be at least 0, got {flags.gpus_per_trial:g}")
    trials, promote = flags.trials or space.trials, flags.promote or space.promote
    if promote > trials:
        problems.append(f"--promote must not exceed --trials, got --promote {promote} and --trials {trials}")
    if problems:
        raise InputError("The numbers of a search must keep their ranges:", problems)


def _check_out(search: SearchFolder, resume: bool) -> None:
    if resume and not search.search.exists():
        raise InputError(f"--resume: {search.path} holds no search; without --resume one is begun there")
    if resume:
        return
    if search.search.exists():
        raise InputError(f"--out: {search.path} holds a search already; add --resume to go on with it, or name another")
    if search.path.exists() and not (search.path.is_dir() and set(search.path.iterdir()) <= {search.digits}):
        raise InputError(f"--out must be a new or an empty folder; {search.path} is neither")


def _check_nets(space: Space, recipes: Sequence[Recipe], weights: Path | None) -> None:
    check_backbones(space.values("backbone"), any(recipe.pretrained for recipe in recipes) and weights is None)
    names = dict.fromkeys(recipe.backbone for recipe in recipes if recipe.pretrained)
    if weights is None:
        check_downloads(names)
    else:
        for name in names:
            local_weights(name, weights, n_classes=2)


def _data_root(flags: argparse.Namespace, digits: Path) -> Path:
    if flags.data != "digits":
        return Path(flags.data)
    if not (flags.resume and digits.exists()):
        write_digits(digits, flags.seed)
    return digits


def _command(flags: argparse.Namespace, out: Path) -> str:
    values: dict[str, Any] = {**vars(flags), "out": out}
    words = []
    for name, value in values.items():
        if value is None or value is False or name in ("resume", "plan"):
            continue
        words += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    return shlex.join(["python", "search.py", *words])


def begin(plan: Plan) -> None:
    """Write what the search is, or hold it against what a resume finds."""
    about = {
        "space": plan.space_name,
        "data": str(plan.data_root),
        "folds": plan.folds.count,
        "epochs": plan.epochs,
        "trials": len(plan.recipes),
        "promote": plan.promote,
        "metric": plan.metric,
        "seed": plan.seed,
        "fold_hash": plan.folds.hash,
        "recipes_hash": _recipes_hash(plan.recipes),
        "code_hash": code_hash(),
        "classes": plan.data.classes,
        "rungs": plan.rungs,
        "out": str(plan.search.path),
        "command": plan.command,
    }
    if plan.resume:
        _check_same(load_json(plan.search.search), about)
        return
    for number, recipe in enumerate(plan.recipes):
        save_json(plan.search.trial(number).recipe, recipe.to_dict())
    plan.folds.save(plan.search.folds)
    save_json(plan.search.search, about)


def _check_same(stored: dict[str, Any], about: dict[str, Any]) -> None:
    differing = [f"{name} was {stored[name]!r}, is {about[name]!r}" for name in _SAME if stored[name] != about[name]]
    if differing:
        raise InputError("--resume: --out holds another search; these differ:", differing)
    if stored["code_hash"] != about["code_hash"]:
        print(f"note: the code changed since this search began ({stored['code_hash']} -> {about['code_hash']})")


def _recipes_hash(recipes: Sequence[Recipe]) -> str:
    return hashlib.sha256(json.dumps([recipe.to_dict() for recipe in recipes]).encode()).hexdigest()[:16]


def _described(plan: Plan, space: Space) -> str:
    without = len(plan.recipes) * plan.epochs
    promotion = plan.promote * (plan.folds.count - 1) * plan.epochs
    data = plan.data
    images = f"{len(data.image_ids)} images of {len(data.classes)} classes, {len(data.test_ids)} to predict"
    return "\n".join(
        (
            f"data       {data.root}: {images}",
            f"folds      {plan.folds.count}, stratified, hash {plan.folds.hash}",
            f"space      {space.name}: {', '.join(space.values('backbone'))}",
            f"search     {len(plan.recipes)} trials of at most {plan.epochs} epochs on fold 0, ASHA on {plan.metric} "
            f"(grace {GRACE_EPOCHS}, factor {REDUCTION_FACTOR}, rungs {', '.join(map(str, plan.rungs)) or 'none'}): "
            f"at most {without} epochs",
            f"promotion  {plan.promote} trials to all folds: {promotion} epochs more",
            f"out        {plan.search.path}",
        )
    )
