"""The command line of search.py, and what its numbers must keep."""

from __future__ import annotations

import argparse
import json
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cluster.kinds import DIAGONAL, PROMOTIONS, SEARCHERS, TRACKERS
from search_spaces import InputError, Space
from search_spaces.kinds import DENOISES
from search_spaces.recipe import TEXT_FIELDS
from trainables.layout import DENOISED_FROM
from trainables.scores import METRICS

CACHE_GB = 10.0
"""About 7,000 photos of 800 x 600 px."""

MOST_TRIALS = DENOISED_FROM // 2
"""Trials that fail are replaced, by at most as many, and all numbers must be below those of denoised trials."""


def read_flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line of search.py. argparse ends with exit code 2 where it is malformed."""
    parser = argparse.ArgumentParser(
        prog="search.py",
        description="Search hyperparameters on fold 0, promote the best trials to all folds, ensemble them.",
    )
    for title, add_flags in _GROUPS.items():
        add_flags(parser.add_argument_group(title).add_argument)
    return parser.parse_args(arguments)


def _search(add: Callable[..., object]) -> None:
    add(
        "--space",
        default="digits",
        help="digits, leaves, cassava, diary/NAME, or a .py file that defines SPACE (default: digits)",
    )
    add(
        "--set",
        nargs="+",
        default=[],
        metavar="FIELD=VALUE",
        help="fields of every recipe, in place of what the space has, as in image_size=96 loss=focal",
    )
    add("--augment", type=Path, metavar="FILE", help="an albumentations pipeline (JSON or YAML) in every recipe")
    add("--searcher", choices=SEARCHERS, default=SEARCHERS[0], help="how recipes are drawn: at random, or by TPE")
    add("--trials", type=int, help="recipes to try (default: the space's)")
    add("--epochs", type=int, help="epochs of a whole training (default: the space's)")
    add("--grace-period", type=int, metavar="N", help="epochs before ASHA may stop a trial (default: 2)")
    add("--metric", choices=METRICS, default=METRICS[0], help="what ASHA, promotion and ensemble improve")
    add("--seed", type=int, default=0, help="of recipes, folds and trainings (default: 0)")
    add("--warm-start", type=Path, metavar="OUT", help="try the promoted recipes of another search first")
    add("--recipes-only", action="store_true", help="--warm-start from a search on other data or folds")


def _data(add: Callable[..., object]) -> None:
    add("--data", default="digits", help="folder in the Kaggle layout, also s3:// or gs://, or 'digits' (default)")
    add("--weights", type=Path, metavar="DIR", help="folder of NAME.safetensors to begin from, in place of downloads")
    add("--folds", type=int, default=5, help="stratified parts that validate in turn (default: 5)")
    add(
        "--groups",
        type=Path,
        metavar="CSV",
        help="image_id,group: images that share a fold, in place of duplicates found",
    )
    add("--train-only", nargs="+", default=[], metavar="SOURCE", help="sources whose images train but never validate")
    add(
        "--bad-images",
        choices=("fail", "skip"),
        default="fail",
        help="skip: leave out up to a tenth of the images that cannot be read, and list them (default: fail)",
    )


def _promotion(add: Callable[..., object]) -> None:
    add("--promote", type=int, metavar="K", help="trials that earn all folds (default: the space's)")
    add(
        "--promotion",
        choices=PROMOTIONS,
        default=PROMOTIONS[0],
        help="full: promoted trials train all folds; diagonal: another trial in each fold, at the cost of one on all",
    )
    add("--adaptive", action="store_true", help="promote fold by fold, and drop whom the folds so far rule out")
    add(
        "--denoise",
        choices=tuple(DENOISES),
        default="none",
        help="train the promoted once more, with suspicious training labels cleaned inside each fold",
    )
    add("--denoise-folds", nargs="+", type=int, default=[], metavar="F", help="in these folds only (default: all)")


def _limits_and_machines(add: Callable[..., object]) -> None:
    add("--time-budget", metavar="2h", help="for everything, promotion and report included; the trials end in time")
    add("--epoch-budget", type=int, metavar="N", help="epochs in all, of the search and of all folds")
    add("--concurrent", type=int, metavar="N", help="trials at once (default: one a CPU core, or as GPUs allow)")
    add(
        "--gpus-per-trial",
        type=float,
        metavar="F",
        help="may be a fraction (default: by the memory that its recipe takes; where not known the space's, or 1)",
    )
    add(
        "--gpus-per-fold",
        type=int,
        default=1,
        metavar="N",
        help="GPUs of one machine that train a fold of promotion together, the batch divided among them (default: 1)",
    )
    add("--cpus-per-trial", type=int, metavar="N", help="CPU cores (default: its part of a node's, 8 beside a GPU)")
    add(
        "--gpu-memory",
        type=float,
        metavar="GB",
        help="of a GPU, in place of asking it (machines to come, --gpus)",
    )
    add(
        "--cache-gb",
        type=float,
        default=CACHE_GB,
        metavar="GB",
        help=f"disk of each machine for decoded images, so that each is decoded once; 0: none (default: {CACHE_GB:g})",
    )
    add("--deterministic", action="store_true", help="on GPUs: the same bits each time, more slowly (CPUs: always)")


def _run(add: Callable[..., object]) -> None:
    add("--out", help="folder for all results, also s3:// or gs:// (default: runs/SPACE-TIME)")
    add("--plan", action="store_true", help="check everything, say what would be done and what it would take, and stop")
    add("--measure", action="store_true", help="time a few steps of every kind of recipe here, for the plan's hours")
    add("--gpus", type=int, metavar="N", help="what the plan counts with (default: this machine's)")
    add("--price", type=float, metavar="P", help="of a GPU for an hour (without GPUs: of the machine), for its cost")
    add("--resume", action="store_true", help="go on with the search in --out")
    add("--accept-changed-code", action="store_true", help="--resume a search that other code began")
    add("--replay", nargs=2, metavar=("OUT", "TRIAL"), help="train one trial of a search again; says whether it agrees")
    add("--code", metavar="HASH", help="run this code only; `python -m cluster.snapshot` says which one it is")
    add("--track", choices=TRACKERS, help="tell every trial to a tracking server too, where its package is installed")
    add("--quiet", action="store_true", help="print the result only")


_GROUPS = {
    "what is searched": _search,
    "data": _data,
    "promotion": _promotion,
    "limits and machines": _limits_and_machines,
    "the run": _run,
}


def check_numbers(flags: argparse.Namespace, space: Space) -> None:
    """Refuse flags that no search can have, all at once."""
    problems = [
        f"--{name.replace('_', '-')} must be at least {least}, got {value}"
        for name, least in (
            ("trials", 1),
            ("epochs", 1),
            ("grace_period", 1),
            ("promote", 1),
            ("folds", 2),
            ("concurrent", 1),
            ("seed", 0),
            ("cpus_per_trial", 1),
            ("gpus_per_fold", 1),
        )
        if (value := getattr(flags, name)) is not None and value < least
    ]
    for name in ("gpus", "price", "cache_gb"):
        value = getattr(flags, name)
        if value is not None and not 0 <= value < math.inf:
            problems.append(f"--{name.replace('_', '-')} must be a number of at least 0, got {value:g}")
    if flags.gpus_per_trial is not None and not 0 <= flags.gpus_per_trial < math.inf:  # NaN is refused too
        problems.append(f"--gpus-per-trial must be a number of at least 0, got {flags.gpus_per_trial:g}")
    elif flags.gpus_per_trial is not None and flags.gpus_per_trial > 1 and flags.gpus_per_trial % 1:
        problems.append(f"--gpus-per-trial must be a whole number above 1, got {flags.gpus_per_trial:g}")
    if flags.gpus_per_fold > 1 and flags.gpus_per_trial == 0:
        problems.append("--gpus-per-fold needs GPUs, and --gpus-per-trial 0 is the CPU")
    if flags.gpu_memory is not None and not 0 < flags.gpu_memory < math.inf:
        problems.append(f"--gpu-memory must be a number above 0, got {flags.gpu_memory:g}")
    trials, promote = flags.trials or space.trials, promoted_count(flags, space)
    counted = flags.trials or space.grid or not (flags.time_budget or flags.epoch_budget)
    if counted and promote > trials:
        problems.append(f"--promote must not exceed --trials, got --promote {promote} and --trials {trials}")
    if trials > MOST_TRIALS:
        problems.append(f"--trials must be at most {MOST_TRIALS}, got {trials}")
    if flags.resume and flags.out is None:
        problems.append("--resume needs --out, the search to go on with")
    problems += [*_diagonal_problems(flags), *_denoise_problems(flags)]
    if problems:
        raise InputError("The flags of a search must keep their ranges:", problems)


def promoted_count(flags: argparse.Namespace, space: Space) -> int:
    """Members of the ensemble, by the flags or else by the space; a diagonal is one, whatever its trials."""
    return 1 if flags.promotion == DIAGONAL else flags.promote or space.promote


def _diagonal_problems(flags: argparse.Namespace) -> Iterator[str]:
    """A diagonal is one member, with as many trials as there are folds, and no trial of it has two folds to compare."""
    if flags.promotion == DIAGONAL and flags.promote is not None:
        yield "--promotion diagonal excludes --promote: it takes one trial for each fold, as --folds says"
    if flags.promotion == DIAGONAL and flags.adaptive:
        yield "--promotion diagonal excludes --adaptive: its trials are each on another fold, and not compared"


def _denoise_problems(flags: argparse.Namespace) -> Iterator[str]:
    """What cannot be cleaned: a budget reserves nothing for it, and nets in a bucket are not copied."""
    wrong = [fold for fold in flags.denoise_folds if not 0 <= fold < flags.folds]
    if wrong:
        yield f"--denoise-folds must be in [0, {flags.folds - 1}], got {', '.join(map(str, wrong))}"
    if flags.denoise == "none":
        if flags.denoise_folds:
            yield "--denoise-folds needs --denoise, the way to clean them"
        return
    from trainables import label_quality  # here, as these two take longer to import than all flags to be read
    from trainables.bucket import is_bucket

    if not label_quality.available():
        yield f"--denoise: {label_quality.MISSING}"
    if flags.time_budget or flags.epoch_budget:
        yield "--denoise excludes --time-budget and --epoch-budget: neither reserves anything for it"
    if flags.denoise_folds and flags.out and is_bucket(flags.out):
        yield "--denoise-folds needs an --out that is a folder; in a bucket all folds are denoised"


def set_fields(words: Sequence[str]) -> dict[str, Any]:
    """What `--set` decides: values of fields that are text as they stand, others as JSON where they can be."""
    malformed = [word for word in words if "=" not in word]
    if malformed:
        raise InputError("--set takes FIELD=VALUE, as in image_size=96; got:", malformed)
    return {name: _value(name, text) for name, _, text in (word.partition("=") for word in words)}


def _value(name: str, text: str) -> Any:
    if name in TEXT_FIELDS:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def command(flags: argparse.Namespace, out: str | Path) -> str:
    """The command line that repeats this search."""
    values: dict[str, Any] = {**vars(flags), "out": out}
    words = []
    for name, value in values.items():
        if value in (None, False, []) or name in (
            "resume",
            "accept_changed_code",
            "code",
            "plan",
            "measure",
            "gpus",
            "price",
            "replay",
        ):
            continue
        listed = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(each) for each in listed])
    return shlex.join(["python", "search.py", *words])
