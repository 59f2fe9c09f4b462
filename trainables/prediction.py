"""One prediction that several workers share: each looks at its part of the images, with all nets.

A worker's part is some of the batches. What it says of a batch is written whole (`answer.Partial`), so whoever takes
over begins at the first batch that is lacking, and how many share the rest may change from driver to driver.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from trainables.answer import Partial, answer
from trainables.data.place import DataPlace
from trainables.layout import SearchFolder
from trainables.memory import keep_to_share
from trainables.node import check_node
from trainables.predict import load_nets
from trainables.setting import Setting
from trainables.threads import use_machine
from trainables.working_copy import prediction_copy


@dataclass(frozen=True)
class Prediction:
    """What is looked at, by whom and how; the same for all workers, wherever OUT and the data are on their machines."""

    nets: tuple[str, ...]
    """Weight files, relative to OUT."""
    images: tuple[str, ...]
    """Relative to the data folder."""
    batch: int
    mean: str
    """Of the views, one of `view_means.MEANS`."""
    folder: str
    """Of what is predicted, relative to OUT."""

    def partial(self, search: SearchFolder) -> Partial:
        """What is predicted so far: for each batch (nets, n, K)."""
        return Partial(search.path / self.folder)

    def lacking(self, search: SearchFolder) -> list[int]:
        """The first image of each batch that is not predicted yet."""
        done = self.partial(search).starts()
        return [first for first in range(0, len(self.images), self.batch) if first not in done]

    def count(self, starts: Iterable[int]) -> int:
        """Images of these batches."""
        return sum(min(self.batch, len(self.images) - first) for first in starts)


def predict_part(
    place: DataPlace, search: SearchFolder, prediction: Prediction, starts: Container[int], setting: Setting
) -> None:
    """Look at those of the batches that are still lacking, each net at as many views as its recipe says."""
    if setting.node:
        check_node(place, setting.node)
    use_machine(setting)
    keep_to_share(setting.gpu_share)
    root = place.here()
    with prediction_copy(search, prediction.nets, prediction.folder, setting.bucket) as (here, publish):
        nets = load_nets(here.path / name for name in prediction.nets)
        views = tuple(recipe.tta_count for _, recipe in nets)
        answer(
            nets,
            [root / name for name in prediction.images],
            prediction.partial(here),
            lambda left: views,
            lambda *took: publish(),
            batch=prediction.batch,
            workers=setting.loader_workers,
            mean=prediction.mean,
            among=starts,
        )
