"""Which test-time views help, and how many? Every family at every count, on a search's out-of-fold images.

python -m benchmarks.tta OUT [--sizes 128 160 192]

Each promoted trial's fold nets look at the images that they did not train on, at all families' views in one pass, so an
image is read once. Every count is scored from those same predictions, as the mean of probabilities and as that of their
logarithms (made to sum to 1 again), and compared with the plain image alone, paired image by image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces import InputError
from search_spaces.kinds import MOST_VIEWS
from search_spaces.recipe import Recipe
from trainables import tta
from trainables.backbones import Net
from trainables.bar import bar
from trainables.comparison import paired
from trainables.data.folds import Folds
from trainables.data.images import PlainImages, plain_loader
from trainables.data.kaggle import ImageData, load_data
from trainables.data.skipped import load_skipped
from trainables.files import load_json
from trainables.layout import SearchFolder
from trainables.member import promoted_members
from trainables.predict import load_nets, looks
from trainables.scores import goods_by_image, hits
from trainables.view_means import MEANS, nested_means

Kind = tuple[str, int]
"""Family and image size."""


@dataclass(frozen=True, eq=False)
class Study:
    """The out-of-fold predictions of one trial at every view of every kind."""

    number: int
    probs: dict[Kind, NDArray[np.float32]]
    """(views, N, K) of the rows in `rows`."""
    rows: NDArray[np.int64]


def studied(
    search: SearchFolder, data: ImageData, folds: Folds, number: int, answered: list[int], sizes: list[int]
) -> Study:
    parts: list[dict[Kind, NDArray[np.float32]]] = []
    with bar(f"trial {number:03d}, folds", quiet=False) as update:
        for done, fold in enumerate(answered):
            update(done, len(answered))
            ((net, recipe),) = load_nets([search.trial(number).fold(fold).weights])
            paths = [data.train_paths[row] for row in folds.split(fold)[1]]
            parts.append(_looked_at(net, recipe, paths, sizes or [recipe.plain_size]))
        update(len(answered), len(answered))
    rows = np.concatenate([folds.split(fold)[1] for fold in answered])
    return Study(number, {kind: np.concatenate([part[kind] for part in parts], axis=1) for kind in parts[0]}, rows)


def _looked_at(net: Net, recipe: Recipe, paths: list[Path], sizes: list[int]) -> dict[Kind, NDArray[np.float32]]:
    kinds = [(family, size) for size in sizes for family in tta.VIEWS]
    nets = [(net, replace(recipe, tta=family, inference_size=size)) for family, size in kinds]
    chunks = []
    for batch in plain_loader(PlainImages(paths, *(each for _, each in nets)), recipe.batch_size, 0):
        seen = {
            (look.net, look.view): look.probs.cpu().numpy() for look in looks(nets, batch, [MOST_VIEWS] * len(nets))
        }
        chunks.append(np.array([[seen[at, view] for view in range(1, MOST_VIEWS + 1)] for at in range(len(nets))]))
    return dict(zip(kinds, np.concatenate(chunks, axis=2), strict=True))


def compared(study: Study, labels: NDArray[np.int64], metric: str) -> Iterator[dict[str, object]]:
    """A row for every kind, mean and count; gains are over the plain image at the trial's first size."""
    given = labels[study.rows]
    plain = next(iter(study.probs.values()))[0]
    base, base_hits = goods_by_image(metric, plain, given), hits(plain, given)
    for (family, size), probs in study.probs.items():
        for mean in MEANS:
            for count, each in enumerate(nested_means(probs, mean), start=1):
                gain, right = paired(goods_by_image(metric, each, given), base), paired(hits(each, given), base_hits)
                yield {
                    "trial": study.number,
                    "views": family,
                    "size": size,
                    "mean of": mean,
                    "count": count,
                    "gain": gain.behind,
                    "gain_se": gain.se,
                    "accuracy gain": right.behind,
                    "accuracy gain_se": right.se,
                }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tta", description=str(__doc__).splitlines()[0])
    parser.add_argument("search", metavar="OUT", type=Path, help="a finished search, its data where it was")
    parser.add_argument("--sizes", type=int, nargs="+", default=[], help="image sizes (default: the trial's)")
    parser.add_argument("--csv", type=Path, help="write the whole table there")
    asked = parser.parse_args(arguments)
    try:
        search = SearchFolder(asked.search.resolve())
        about, folds = load_json(search.search), Folds.load(search.folds)
        data = load_data(Path(about["data"]), load_skipped(search.skipped))
        answered = [each for member in promoted_members(search, folds.count) for each in member.by_trial.items()]
        studies = [studied(search, data, folds, *each, asked.sizes) for each in answered]
    except InputError as error:
        print(f"benchmarks.tta: {error}", file=sys.stderr)
        return 2
    table = pd.DataFrame(row for study in studies for row in compared(study, data.labels, about["metric"]))
    if asked.csv:
        table.to_csv(asked.csv, index=False)
    shown = table[table["count"].isin([1, 2, 3, 5, MOST_VIEWS])]
    print(f"gains over the plain image, {about['metric']} and accuracy, higher is better, ± a paired standard error")
    print(shown.to_string(index=False, float_format="{:+.4f}".format))
    return 0


if __name__ == "__main__":
    sys.exit(main())
