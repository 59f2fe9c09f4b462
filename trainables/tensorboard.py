"""A fold's curves for `tensorboard --logdir OUT`: one run a trial and fold, whatever the number of resumes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import FileWriter, SummaryWriter

from search_spaces.recipe import Recipe
from trainables.scores import METRICS

SCORES = "validation"
"""The group of curves that has the metrics."""

_BAND = f"{SCORES}_band"
_GROUPS = {
    "training": ("train_loss", "val_loss_raw", "learning_rate", "images_per_s", "data_wait"),
    SCORES: METRICS,
    "calibration": ("calibration_error", "temperature"),
}
"""Columns of `metrics.csv`, as TensorBoard groups them."""

BANDS = {
    metric: ["Margin", [f"{SCORES}/{metric}", f"{_BAND}/{metric}_low", f"{_BAND}/{metric}_high"]] for metric in METRICS
}
"""Charts of a metric between one standard error less and one more, as `SummaryWriter.add_custom_scalars` takes them."""


class Curves:
    """Writes one fold's rows. Rows from `first_epoch` on replace those of an attempt that ended."""

    def __init__(self, folder: Path, recipe: Recipe, first_epoch: int) -> None:
        self._writer = open_writer(folder, first_epoch)
        if first_epoch == 1:
            text = json.dumps(recipe.to_dict(), indent=1).replace("\n", "\n    ")
            self._writer.add_text("recipe", f"    {text}", 0)

    def add(self, row: Mapping[str, Any]) -> None:
        """One epoch's metrics."""
        for group, names in _GROUPS.items():
            for name in names:
                self._writer.add_scalar(f"{group}/{name}", row[name], row["epoch"])
        for metric in METRICS:
            for end, sign in (("low", -1), ("high", 1)):
                value = row[metric] + sign * row[f"{metric}_se"]
                self._writer.add_scalar(f"{_BAND}/{metric}_{end}", value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def open_writer(folder: Path, purge_step: int | None = None) -> SummaryWriter:
    """Goes on in a folder. What was written there from `purge_step` on is not to be shown any more.

    TensorBoard reads the files of a folder in the order of their names, which have the second: one file a second.
    """
    while any(folder.glob(f"events.out.tfevents.{int(time.time())}.*")):
        time.sleep(0.02)
    return SummaryWriter(str(folder), purge_step=purge_step)


def add_summary(writer: SummaryWriter, summary: Summary) -> None:
    """A message that torch's writer has no method for, at step 0."""
    _file(writer).add_summary(summary, 0)


def begin_again(writer: SummaryWriter) -> None:
    """What was written here so far is not to be shown any more."""
    _file(writer).add_event(Event(session_log=SessionLog(status=SessionLog.START)), 0)


def _file(writer: SummaryWriter) -> FileWriter:
    return cast(FileWriter, writer.file_writer)  # there from the first moment until `close`
