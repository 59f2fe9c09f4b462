"""Predict a folder of images with the ensemble of a finished search, here and without Ray, within a time limit.

python predict.py OUT --images DIR --out submission.csv [--time-limit 9h] [--images-count 15000] [--plan]
python predict.py OUT --export BUNDLE

What takes seconds to import is imported where it is used, so that `--help` and a wrong flag are answered at once.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from search_spaces import InputError
from search_spaces.errors import shortened, together
from trainables.bar import bar
from trainables.disk import check_writable
from trainables.durations import seconds_of
from trainables.files import write_whole
from trainables.layout import SearchFolder

if TYPE_CHECKING:
    from analysis.fold_nets import FoldNets
    from analysis.time_limit import TimeLimit
    from trainables.answer import Counts, Nets

_MEASURED_IMAGES = 300
_FEWEST_BATCHES = 50
"""Under a time limit: the last one, which may take longer than planned, is then a small part of all."""
_CLOSING_S = 2.0
"""From the last prediction to the end of the process."""
_MEASURING_SHARE, _MEASURING_S = 0.03, 60.0
"""Of the limit; without one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done. 2: bad input. 130: interrupted; what is predicted by then is written, and kept."""
    flags = read_flags(arguments)
    from analysis.bundle import check_bundle, export
    from analysis.fold_nets import FoldNets

    try:
        search = SearchFolder(flags.search.resolve())
        check_bundle(search)
        ensemble = FoldNets.load(search)
        if flags.export:
            export(ensemble, flags.export)
            return 0
        return predict(ensemble, flags)
    except InputError as error:
        print(f"predict.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("predict.py: interrupted", file=sys.stderr)
        return 130


def read_flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="predict.py", description="Predict images with the ensemble of a search.")
    here = Path(__file__).parent  # a bundle brings its own code
    own = here if SearchFolder(here).bundle.exists() else None
    parser.add_argument("search", metavar="OUT", type=Path, nargs="?", default=own, help="finished search, or a bundle")
    parser.add_argument("--images", type=Path, help="folder of images")
    parser.add_argument("--out", type=Path, help="CSV to write: image_id,label")
    parser.add_argument("--time-limit", metavar="9h", help="end within it, with what brings most out of fold")
    parser.add_argument("--images-count", type=int, metavar="N", help="share the limit as if there were so many images")
    parser.add_argument(
        "--bad-images", choices=("fail", "skip"), default="fail", help="skip: answer them by the classes' shares"
    )
    parser.add_argument("--plan", action="store_true", help="measure, say what each member and view costs and brings")
    parser.add_argument("--export", type=Path, metavar="BUNDLE", help="copy all that a prediction needs into a folder")
    parser.add_argument("--loader-workers", type=int, default=None, metavar="N", help="processes that read images")
    parser.add_argument("--quiet", action="store_true")
    flags = parser.parse_args(arguments)
    if flags.search is None:
        parser.error("OUT is needed, the folder of a finished search")
    if not flags.export and (flags.images is None or (flags.out is None and not flags.plan)):
        parser.error("--images and --out are needed, or --images and --plan, or --export")
    return flags


def predict(ensemble: FoldNets, flags: argparse.Namespace) -> int:
    """Answer every image of a folder, in the order of their names."""
    from analysis.ensemble import submission
    from trainables.answer import Partial, answer, batch_size
    from trainables.predict import load_nets
    from trainables.view_means import mean_of_search

    limit_s = seconds_of(flags.time_limit, "--time-limit") if flags.time_limit else math.inf
    paths, readable = _checked(ensemble, flags)
    nets, workers = load_nets(ensemble.nets), _loader_workers(flags)
    limited = bool(flags.plan or flags.time_limit)
    batch = max(1, min(batch_size(), len(readable) // _FEWEST_BATCHES)) if limited else batch_size()
    limit = _limit(ensemble, nets, readable, limit_s, batch, workers, flags) if limited else None
    if flags.plan:
        return 0
    own, mean = ensemble.own_counts, mean_of_search(ensemble.search)
    partial = Partial(flags.out.with_name(f"{flags.out.name}.partial"))
    partial.of(ensemble.nets, readable, "limited" if limit else own, mean, batch)
    started = time.monotonic()
    with bar("predicting", flags.quiet, "images") as update:
        done = sum(min(batch, len(readable) - first) for first in partial.starts())
        update(done, len(readable))

        def on_batch(images: int, counts: Counts, seconds: float) -> None:
            nonlocal done
            done += images
            update(done, len(readable))
            if limit:
                limit.took(counts, images, seconds)

        counts = limit.counts if limit else lambda _: own
        stopped = _answered(
            lambda: answer(nets, readable, partial, counts, on_batch, batch=batch, workers=workers, mean=mean)
        )
    looked_at = set(readable)
    probs, there = partial.collect(
        np.array([path in looked_at for path in paths]), ensemble.class_shares, ensemble.answer
    )
    write_whole(flags.out, submission([path.name for path in paths], probs))
    _say(flags.out, ensemble, there, len(readable), time.monotonic() - started, limit)
    if there == len(readable):
        partial.remove()
    return 130 if stopped else 0


def _answered(work: Callable[[], object]) -> bool:
    """Whether it was interrupted. If so, no further signal keeps what there is from being written."""
    try:
        work()
    except KeyboardInterrupt:
        for stopping in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stopping, signal.SIG_IGN)
        return True
    return False


def _limit(
    ensemble: FoldNets,
    nets: Nets,
    paths: list[Path],
    limit_s: float,
    batch: int,
    workers: int,
    flags: argparse.Namespace,
) -> TimeLimit:
    """Measure, say what each member and view costs and brings, and what the limit affords."""
    from analysis.affordable import Costs, best_within, described, options
    from analysis.time_limit import TimeLimit
    from trainables.answer import measure

    count = max(len(paths), flags.images_count or 0)
    share = len(paths) / count
    evidence = ensemble.evidence()
    views = max(len(means) for means in evidence.means)
    most_s = min(_MEASURING_S, _MEASURING_SHARE * limit_s)
    timing = measure(nets, paths, views, _MEASURED_IMAGES, most_s, batch, workers)
    costs = Costs(timing.image_s, ensemble.by_member(timing.view_s))
    ways = options(evidence, ensemble.folds.count, costs)
    left_s = (limit_s - _elapsed_s() - _CLOSING_S) * share  # beginning and end take as long for few images as for many
    affordable = best_within(ways, left_s / len(paths))
    if flags.plan or not flags.quiet:
        lines = described(ways, costs, evidence.metric, ensemble.names, count, affordable)
        print(f"measured on {timing.images} images", *lines, sep="\n", flush=True)
    if affordable is None:
        print(f"note: no way ends within {flags.time_limit}; images that are not reached get the commonest class")
    return TimeLimit(ensemble, ways, batch, time.monotonic() + left_s)


def _elapsed_s() -> float:
    """Since this process began: imports and checks count too."""
    began: float = psutil.Process().create_time()
    return time.time() - began


def _loader_workers(flags: argparse.Namespace) -> int:
    """Beside a GPU all cores but one read images; on a CPU the nets need them."""
    from trainables.predict import device

    if flags.loader_workers is not None:
        return int(flags.loader_workers)
    return len(os.sched_getaffinity(0)) - 1 if device().type == "cuda" else 0


def _checked(ensemble: FoldNets, flags: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """All images, and those of them that can be read."""
    from trainables.backbones import check_nets
    from trainables.data.kaggle import list_images

    if flags.out and flags.out.is_dir():
        raise InputError(f"--out must be a file to write; {flags.out} is a folder")
    if flags.out:
        check_writable(flags.out.resolve().parent)
    paths = list_images(flags.images)
    bad: dict[Path, str] = {}
    together(lambda: check_nets(ensemble.nets), lambda: ensemble.blend, lambda: bad.update(_unreadable(paths, flags)))
    for path, why in bad.items():
        print(f"note: {path.name} {why}; it is answered by the commonest class", file=sys.stderr)
    readable = [path for path in paths if path not in bad]
    if not readable:
        raise InputError(f"--images must hold images that can be read; of {len(paths)} in {flags.images} none can")
    return paths, readable


def _unreadable(paths: list[Path], flags: argparse.Namespace) -> dict[Path, str]:
    from trainables.data.decoding import see_images

    with bar("checking images", flags.quiet) as update:
        seen = see_images(paths, update)
    bad = {path: each for path, each in zip(paths, seen, strict=True) if isinstance(each, str)}
    if bad and flags.bad_images == "fail":
        problems = [f"{path.parent.name}/{path.name} {why}" for path, why in bad.items()]
        raise InputError("Every image must be readable, or --bad-images skip:", shortened(problems))
    return bad


def _say(out: Path, ensemble: FoldNets, there: int, images: int, seconds: float, limit: TimeLimit | None) -> None:
    for line in limit.lines() if limit else []:
        print(line)
    print(f"{there} images predicted by {len(ensemble.nets)} nets in {seconds:.1f} s: {out}")
    if there < images:
        print(f"note: {images - there} were not reached and have the commonest class; the same command goes on")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is stopped from outside ends as by Ctrl-C
    sys.exit(main())
