"""The search's own page in TensorBoard: the HParams table's columns, the best so far, trials alive at each rung."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cluster.board import hparams
from cluster.board.best_so_far import BestSoFar
from cluster.board.trial_page import BEST, CROSS_VALIDATED
from cluster.plan import Plan
from search_spaces.kinds import DENOISES
from search_spaces.parameters import Parameter, parameters
from trainables.scores import METRICS, shown
from trainables.tensorboard import BANDS, SCORES, add_summary, begin_again, open_writer
from trainables.trial import Trial

HOUR_STEPS = 1000
"""TensorBoard's steps are whole numbers; its axis calls a thousand of them `1k`."""


class SearchPage:
    """Written anew by every driver, as a trial's page is."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._writer = open_writer(plan.search.page, 0)
        self._rungs = open_writer(plan.search.rungs_page, 0)
        self._best = BestSoFar(plan.metric)
        self._seen: dict[int, int] = {}
        self._reached: dict[int, int] = {}
        self._alive: dict[int, int] = {}
        add_summary(self._writer, hparams.columns(_parameters(plan), _metrics(plan.metric)))
        self._writer.add_custom_scalars({"error bands": BANDS})
        self._writer.flush()

    def show(self, trials: Iterable[Trial]) -> None:
        """What trials that have begun, or gone on, have reached."""
        rows: list[dict[Any, Any]] = []
        for trial in trials:
            rows += trial.epochs.to_dict("records")[self._seen.get(trial.number, 0) :]
            self._seen[trial.number] = self._reached[trial.number] = trial.epoch
        group = f"best_{self._plan.metric}"  # cards that are side by side cut a long name
        for point in self._best.add(rows):
            self._writer.add_scalar(f"{group}/by_epochs", point.best, point.epochs)
            self._writer.add_scalar(f"{group}/by_hours_x1000", point.best, round(HOUR_STEPS * point.hours))
        self._writer.flush()
        self._show_rungs()

    def _show_rungs(self) -> None:
        """How many trials trained each rung's epoch, and the last. All of the curve anew: it has no order in time."""
        epochs = (*self._plan.rungs, self._plan.epochs)
        alive = {epoch: sum(reached >= epoch for reached in self._reached.values()) for epoch in epochs}
        if alive == self._alive:
            return
        self._alive = alive
        begin_again(self._rungs)
        for epoch, count in alive.items():
            self._rungs.add_scalar("rungs/trials_alive", count, epoch)
        self._rungs.flush()

    def close(self) -> None:
        self._writer.close()
        self._rungs.close()


def _parameters(plan: Plan) -> list[Parameter]:
    """The space's, and how training rows are cleaned, which `--denoise` decides of trials that it adds."""
    of_space = [each for each in parameters(plan.space) if each.name != "denoise"]
    return [*of_space, Parameter("denoise", str, tuple(DENOISES), None, varies=plan.denoise != "none")]


def _metrics(metric: str) -> list[tuple[str, str, str]]:
    """Folder, tag and title of the table's metrics: first the five that TensorBoard ticks."""
    first = shown(metric)
    others = [name for name in METRICS if name not in first]
    cv = [*(f"{name}_se" for name in first), "folds"]
    return [
        *(("", f"{BEST}/{name}", f"best {name}") for name in first),
        *(("", f"{CROSS_VALIDATED}/{name}", f"CV {name}") for name in first),
        ("", f"{BEST}/epoch", "best epoch"),
        *(("", f"{CROSS_VALIDATED}/{name}", f"CV {name}") for name in cv),
        *(("fold0", f"{SCORES}/{name}", f"newest {name}") for name in first),
        *(("", f"{BEST}/{name}", f"best {name}") for name in others),
        *(("", f"{CROSS_VALIDATED}/{name}", f"CV {name}") for name in others),
    ]
