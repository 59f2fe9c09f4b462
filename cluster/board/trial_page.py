"""A trial's page in TensorBoard, one whatever the number of resumes and of folds: `trials/NNN`.

It has the trial's row of the HParams table, and what that table's metrics are read from: scores of the best epoch so
far, and cross-validated ones as folds of a promotion end. The curves of every fold are pages below it, which their
trainings write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cluster.board import hparams
from cluster.plan import Plan
from search_spaces.parameters import parameter_values
from trainables.files import load_array
from trainables.member import Member, oof_pred_probs
from trainables.pictures import confusion, confusion_figure, worst_figure
from trainables.scores import METRICS, Labels, Probs, goodness
from trainables.tensorboard import add_summary, open_writer
from trainables.trial import Trial, load_epochs, load_recipe

BEST, CROSS_VALIDATED = "best", "cv"
"""Groups of scalars."""

ENDED = ("finished", "stopped", "cut", "slow", "diverged")
"""Statuses that nothing of this search will change. A trial that failed is tried again by the next driver."""


class TrialPage:
    """`anew`: every driver writes the search's part from its beginning, in place of what earlier ones wrote."""

    def __init__(self, plan: Plan, number: int, anew: bool = True) -> None:
        self._plan, self._number = plan, number
        self._folder = plan.search.trial(number)
        self._recipe = load_recipe(self._folder)
        self._writer = open_writer(self._folder.path, 0 if anew else None)
        self._epochs, self._best = 0, dict[str, Any]()
        self._folds: list[int] = []
        values = parameter_values(plan.space, self._recipe) | {"denoise": self._recipe.denoise}
        add_summary(self._writer, hparams.begun(f"{number:03d}", values, self._folder.recipe.stat().st_mtime))
        self._writer.flush()

    def show(self, trial: Trial) -> None:
        """Its best epoch of the search so far, and how it ended, if it did."""
        rows = trial.epochs.to_dict("records")
        for row in rows[self._epochs :]:
            self._show_epoch(row)
        self._epochs = len(rows)
        if trial.status in ENDED:
            add_summary(self._writer, hparams.ended(trial.judged, float(rows[-1]["ended_at"]) if rows else 0.0))
        self._writer.flush()

    def _show_epoch(self, row: dict[Any, Any]) -> None:
        metric = self._plan.metric
        if math.isfinite(row[metric]) and not row["diverged"]:
            ahead = self._best and goodness(metric, row[metric]) <= goodness(metric, self._best[metric])
            self._best = self._best if ahead else row
        if self._best:
            for name in ("epoch", *METRICS):
                self._writer.add_scalar(f"{BEST}/{name}", self._best[name], row["epoch"])

    def show_folds(self) -> None:
        """What its folds say together, once there are two that are trained to their end; pictures once all are."""
        whole = [fold for fold in range(self._plan.folds.count) if self._folder.fold(fold).trained(self._recipe)]
        if len(whole) < 2 or whole == self._folds:
            return
        self._folds = whole
        for name, value in cross_validated(self._plan, self._number, whole).items():
            self._writer.add_scalar(f"{CROSS_VALIDATED}/{name}", value, len(whole))
        if len(whole) == self._plan.folds.count:
            member = Member.of(self._number, len(whole))
            probs = oof_pred_probs(self._plan.search, member, self._plan.folds)
            self._draw("out_of_fold", probs[self._plan.folds.validated], self._plan.folds.validated, len(whole))
        self._writer.flush()

    def draw_fold_0(self) -> None:
        """Its confusions and worst images of the fold that the search trains."""
        probs = load_array(self._folder.fold(0).judged_probs)
        self._draw("fold_0", probs, self._plan.folds.split(0)[1], self._epochs)
        self._writer.flush()

    def _draw(self, group: str, probs: Probs, rows: Labels, step: int) -> None:
        """Pictures are worth no search: an image that cannot be read now leaves them out."""
        data, classes = self._plan.data, self._plan.data.classes
        labels, paths = data.labels[rows], data.train_paths
        counts = confusion(labels, probs.argmax(1), classes)
        self._writer.add_figure(f"{group}/confusion", confusion_figure(counts, of=f"trial {self._number:03d}"), step)
        try:
            worst = worst_figure(self._plan.metric, probs, labels, [paths[row] for row in rows], classes)
        except OSError as error:
            print(f"note: TensorBoard shows no worst images of trial {self._number:03d}: {error}")
        else:
            self._writer.add_figure(f"{group}/worst_images", worst, step)

    def close(self) -> None:
        self._writer.close()


def cross_validated(plan: Plan, number: int, folds: list[int]) -> dict[str, float]:
    """Every metric over the images of these folds, each by the net that did not see it, with its standard error, and
    how many `folds` they are."""
    sizes = np.array([len(plan.folds.split(fold)[1]) for fold in folds])
    shares = sizes / sizes.sum()
    last = [load_epochs(plan.search.trial(number).fold(fold)).iloc[-1] for fold in folds]
    found: dict[str, float] = {"folds": len(folds)}
    for metric in METRICS:
        found[metric] = float(shares @ [row[metric] for row in last])
        found[f"{metric}_se"] = math.hypot(*(shares * [row[f"{metric}_se"] for row in last]))
    return found


@contextmanager
def promoted_pages(plan: Plan, numbers: Iterable[int]) -> Iterator[Callable[[], None]]:
    """The pages of trials whose folds are being trained go on; calling what is yielded brings them up to date."""
    pages = [TrialPage(plan, number, anew=False) for number in dict.fromkeys(numbers)]

    def look() -> None:
        for page in pages:
            page.show_folds()

    try:
        yield look
        look()
    finally:
        for page in pages:
            page.close()
