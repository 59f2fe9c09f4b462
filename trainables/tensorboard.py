"""A fold's curves for `tensorboard --logdir OUT`: one run a trial and fold, whatever the number of resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from search_spaces.recipe import Recipe
from trainables.scores import METRICS

_CURVES = (
    "train_loss",
    *METRICS,
    *(f"{metric}_se" for metric in METRICS),
    "val_loss_raw",
    "temperature",
    "calibration_error",
    "learning_rate",
    "images_per_s",
)


class Curves:
    """Writes one fold's rows. Rows from `first_epoch` on replace those of an attempt that ended."""

    def __init__(self, folder: Path, recipe: Recipe, first_epoch: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)
        if first_epoch == 1:
            text = json.dumps(recipe.to_dict(), indent=1).replace("\n", "\n    ")
            self._writer.add_text("recipe", f"    {text}", 0)

    def add(self, row: Mapping[str, Any]) -> None:
        """One epoch's metrics."""
        for name in _CURVES:
            self._writer.add_scalar(name, row[name], row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
