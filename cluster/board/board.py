"""TensorBoard of a search while its trials run, as Ray Tune's callback."""

from __future__ import annotations

import time
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial

from cluster.board.search_page import SearchPage
from cluster.board.trial_page import ENDED, TrialPage
from cluster.plan import Plan
from cluster.promotion import ranked, standings
from trainables.trial import Trial, load_trials

_LOOK_EVERY_S = 10.0
"""A look reads the folders of the trials that run; TensorBoard itself asks for what is new every 30 s or so."""


class Board(Callback):  # type: ignore[misc]
    """Brings the pages up to what OUT says: what is drawn is what is on disk, whoever trained it and when."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._page = SearchPage(plan)
        self._open: dict[int, TrialPage] = {}
        self._trials: dict[int, Trial] = {}
        self._leader: int | None = None
        self._looked = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; nothing of this one is wanted there."""
        return {}

    def on_step_end(self, iteration: int, trials: list[RayTrial], **_info: Any) -> None:
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self.look()

    def look(self) -> None:
        """Show what is new."""
        going_on = [number for number in self._plan.search.trial_numbers() if not self._has_ended(number)]
        fresh = load_trials(self._plan.search, going_on)
        self._trials |= {trial.number: trial for trial in fresh}
        judged = standings([*self._trials.values()], self._plan.metric)
        leader = next(iter(ranked(judged)), None)
        for trial in fresh:
            self._show(trial, draw=trial.number == leader != self._leader)
        self._leader = leader
        self._page.show(fresh)
        self._looked = time.monotonic()

    def _has_ended(self, number: int) -> bool:
        return number in self._trials and self._trials[number].status in ENDED

    def _show(self, trial: Trial, draw: bool) -> None:
        """Of those that have ended, the best so far has pictures; it is always one that has just ended."""
        page = self._open.pop(trial.number, None) or TrialPage(self._plan, trial.number)
        page.show(trial)
        page.show_folds()  # of an earlier driver's promotion, which this one's page stands in for
        if draw:
            page.draw_fold_0()
        if trial.status in ENDED:
            page.close()
        else:
            self._open[trial.number] = page

    def close(self) -> None:
        """After the trials, and what their budget decided of them."""
        self.look()
        for page in self._open.values():
            page.close()
        self._page.close()
