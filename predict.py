"""Predict a folder of images with the ensemble of a finished search, here and without Ray.

python predict.py OUT --images DIR --out submission.csv
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from analysis.ensemble import blend_of, submission
from cluster.out import check_writable
from search_spaces import InputError
from search_spaces.errors import shortened, together
from trainables.backbones import check_nets
from trainables.bar import bar
from trainables.data.decoding import see_images
from trainables.data.folds import Folds
from trainables.data.kaggle import list_images
from trainables.layout import SearchFolder, load_object, write_whole
from trainables.predict import predict_images


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: the submission is written. 2: bad input."""
    parser = argparse.ArgumentParser(prog="predict.py", description="Predict images with the ensemble of a search.")
    parser.add_argument("search", metavar="OUT", type=Path, help="folder of a finished search")
    parser.add_argument("--images", type=Path, required=True, help="folder of images")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write: image_id,label")
    parser.add_argument("--quiet", action="store_true")
    flags = parser.parse_args(arguments)
    try:
        predict(SearchFolder(flags.search.resolve()), flags.images, flags.out, flags.quiet)
    except InputError as error:
        print(f"predict.py: {error}", file=sys.stderr)
        return 2
    return 0


def predict(search: SearchFolder, images: Path, out: Path, quiet: bool) -> None:
    """Write the ensemble's answer for every image of a folder, in the order of their names."""
    if not search.ensemble.exists():
        raise InputError(f"OUT must be a finished search; {search.path} has no {search.ensemble.name}")
    if out.is_dir():
        raise InputError(f"--out must be a file to write; {out} is a folder")
    check_writable(out.resolve().parent)
    ensemble, n_folds = load_object(search.ensemble, "members", "weights"), Folds.load(search.folds).count
    nets = [search.trial(number).fold(fold).weights for number in ensemble["members"] for fold in range(n_folds)]
    paths, blend = list_images(images), blend_of(search)
    together(lambda: check_nets(nets), lambda: _check_images(paths, quiet))
    total, done = len(nets) * len(paths), 0
    probs = []
    with bar("predicting, images x nets", quiet) as update:

        def on_batch(count: int) -> None:
            nonlocal done
            done += count
            update(done, total)

        for net in nets:
            probs.append(predict_images(net, paths, threads=os.cpu_count() or 1, on_batch=on_batch))
    members = np.stack(probs).reshape(len(ensemble["members"]), n_folds, *probs[0].shape).mean(1, dtype=np.float64)
    write_whole(out, submission([path.name for path in paths], blend(members)))
    print(f"{len(paths)} images predicted by {len(nets)} nets: {out}")


def _check_images(paths: list[Path], quiet: bool) -> None:
    with bar("checking images", quiet) as update:
        seen = see_images(paths, update)
    problems = [
        f"{path.parent.name}/{path.name} {each}"
        for path, each in zip(paths, seen, strict=True)
        if isinstance(each, str)
    ]
    if problems:
        raise InputError("Every image must be readable:", shortened(problems))


if __name__ == "__main__":
    sys.exit(main())
