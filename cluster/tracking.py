"""`--track`: a search told to MLflow or Weights & Biases, a run for each trial, through Ray's own loggers.

Whatever is told is in OUT already, and an epoch counts as told once the tracker has taken it: what it missed, since it
was away or nobody asked for it then, is told at the next chance, and nothing twice. It never holds up a search for
long, and never ends one.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial

from search_spaces import InputError
from trainables.durations import duration
from trainables.files import load_object, save_json
from trainables.layout import SearchFolder
from trainables.scores import METRICS
from trainables.trial import load_epochs, load_recipe, load_trial

if TYPE_CHECKING:
    from cluster.plan import Plan

AGAIN_AFTER_S = 300.0
"""So long a tracker that does not answer is left alone."""

_LATER = f"tried again after {duration(AGAIN_AFTER_S)} and at the end; --resume tells what is lacking then"

_OF_AN_EPOCH = ("epoch", "train_loss", *METRICS, *(f"{metric}_se" for metric in METRICS), "learning_rate", "seconds")
_OF_ALL_FOLDS = ("cv_accuracy", "cv_se", "cv_loss", "test_accuracy")
_OF_THE_ENSEMBLE = ("nested_accuracy", "nested_se", "oof_accuracy", "oof_se", "oof_loss", "test_accuracy")
_ENSEMBLE = "ensemble"


def check_tracker(name: str, resume: bool) -> None:
    """Refuse a tracker that is not installed, or that cannot be reached. One that a resume does not reach is borne."""
    module, found = import_module(f"cluster.trackers.{name}"), find_spec(name)
    if found is None or found.origin is None:  # a folder of that name is no package
        raise InputError(
            f"--track {name}: it is not installed in {sys.prefix}; `pip install {module.PACKAGE}` there, "
            "or leave --track out"
        )
    if not resume:
        module.check()


def trackers(plan: Plan) -> list[Tracking]:
    """For Ray Tune: the one that was asked for, or none."""
    if plan.track is None:
        return []
    place = plan.store.place
    name = PurePosixPath(place.partition("?")[0]).name
    return [Tracking(plan.search, plan.track, import_module(f"cluster.trackers.{plan.track}").logger(name, place))]


def track_summary(plan: Plan, summary: Mapping[str, Any]) -> None:
    """What all folds say of the trials that trained them, and of the ensemble; before it, all that was missed."""
    for tracking in trackers(plan):
        tracking.tell_summary(summary)


@dataclass(eq=False)
class Run:
    """What Ray's loggers ask of a trial. Two of one id are one run of the tracker, gone on with."""

    name: str
    trial_id: str
    config: dict[str, Any]
    local_path: str

    def __str__(self) -> str:
        return self.name


class Tracking(Callback):  # type: ignore[misc]
    """Ray Tune's events turned into what a logger of Ray's lacks."""

    def __init__(
        self, search: SearchFolder, tracker: str, logger: Any, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._search, self._tracker, self._logger, self._clock = search, tracker, logger, clock
        known = load_object(search.tracking, "id", "told") if search.tracking.exists() else {}
        self._about = known or {"id": secrets.token_hex(4), "told": {}}
        self._told: dict[str, int] = self._about["told"].setdefault(tracker, {})
        self._connected = self._away = False
        self._again_at = 0.0
        self._runs: dict[str, Run] = {}
        self._lacking: dict[int, bool] = {}
        """Trials with something to tell, and whether they have ended."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks beside the experiment; nothing of this one is wanted there."""
        return {}

    # Ray Tune's side.

    def setup(self, **_info: Any) -> None:
        self._look_for_missed()
        self._tell_all()

    def on_trial_start(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._note(trial)

    def on_trial_result(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, result: dict[str, Any], **_info: Any
    ) -> None:
        """The scheduler is asked before, and has brought the trial's files."""
        self._note(trial)

    def on_trial_complete(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        self._note(trial, ended=True)

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_info: Any) -> None:
        """A trial that is tried again has not ended."""
        if self._search.trial(trial.config["trial"]).error.exists():
            self._note(trial, ended=True)

    def on_experiment_end(self, trials: list[RayTrial], **_info: Any) -> None:
        """What still runs was ended by a budget, or a later driver goes on with it."""
        self._close()

    def _note(self, trial: RayTrial, ended: bool = False) -> None:
        self._lacking[trial.config["trial"]] = ended
        if self._clock() >= self._again_at:
            self._tell_all()

    # The tracker's side.

    def tell_summary(self, summary: Mapping[str, Any]) -> None:
        """`summary.json` as far as a tracker can hold it."""
        self._look_for_missed()
        members = [row for row in (*summary["promoted"], *summary["denoised"]) if isinstance(row["trial"], int)]
        self._lacking |= {row["trial"]: False for row in members}  # more is to be told of them
        if self._tell_all():
            self._bearing(partial(self._tell_folds, members))
            self._bearing(partial(self._tell_ensemble, summary))
        self._close()

    def _look_for_missed(self) -> None:
        """In trials that have ended: one that is gone on with tells it then."""
        for number in self._search.trial_numbers():
            epochs = len(load_epochs(self._search.trial(number).fold(0)))
            if epochs > self._told.get(_name(number), 0) and self._status(number) != "unfinished":
                self._lacking[number] = True

    def _tell_all(self) -> bool:
        """Whether nothing is lacking now."""
        for number in list(self._lacking):
            ended = self._lacking.pop(number)
            if not self._bearing(partial(self._tell, number, ended)):
                self._lacking[number] = ended  # behind the others, should it be to blame
                return False
        return True

    def _tell(self, number: int, ended: bool) -> None:
        run = self._run(_name(number), load_recipe(self._search.trial(number)).to_dict())
        for row in load_epochs(self._search.trial(number).fold(0)).to_dict("records"):
            self._tell_numbers(run, int(row["epoch"]), row, _OF_AN_EPOCH)
        if ended:
            self._end(run, failed=self._status(number) in ("diverged", "failed"))

    def _status(self, number: int) -> str:
        return load_trial(self._search, number).status

    def _tell_folds(self, members: Sequence[Mapping[str, Any]]) -> None:
        """One step after the last epoch. A member of several trials, of a diagonal, is none of theirs."""
        for row in members:
            recipe = load_recipe(self._search.trial(row["trial"]))
            run = self._run(_name(row["trial"]), recipe.to_dict())
            self._tell_numbers(run, recipe.epochs + 1, row, _OF_ALL_FOLDS)

    def _tell_ensemble(self, summary: Mapping[str, Any]) -> None:
        """A step for each driver that came to the end: a longer search has another ensemble."""
        run = self._run(_ENSEMBLE, {name: summary[name] for name in ("fold_hash", "metric", "seed")})
        members = ", ".join(map(str, summary[_ENSEMBLE]["members"]))
        facts = {"method": summary[_ENSEMBLE]["method"], "members": members, "command": summary["command"]}
        self._tell_numbers(run, self._told.get(_ENSEMBLE, 0) + 1, summary[_ENSEMBLE], _OF_THE_ENSEMBLE, facts)

    def _tell_numbers(
        self,
        run: Run,
        step: int,
        row: Mapping[Any, Any],
        names: tuple[str, ...],
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Once: nothing where the step was told before."""
        if step <= self._told.get(run.name, 0):
            return
        numbers = {name: float(row[name]) for name in names if name in row}
        self._logger.log_trial_result(step, run, {**numbers, "training_iteration": step, "config": facts or {}})
        self._told[run.name] = step
        save_json(self._search.tracking, self._about)

    def _run(self, name: str, config: dict[str, Any]) -> Run:
        """Begun, or gone on with."""
        if not self._connected:
            self._logger.setup()
            self._connected = True
        if name not in self._runs:
            save_json(self._search.tracking, self._about)  # the id, before anybody else hears of it
            self._search.ray.mkdir(parents=True, exist_ok=True)  # a logger may keep files of its own
            run = Run(name, f"{self._about['id']}-{name}", config, str(self._search.ray))
            self._logger.log_trial_start(run)
            self._runs[name] = run
        return self._runs[name]

    def _end(self, run: Run, failed: bool) -> None:
        self._logger.log_trial_end(run, failed=failed)
        del self._runs[run.name]

    def _close(self) -> None:
        if self._tell_all():
            runs = list(self._runs.values())
            all(self._bearing(partial(self._end, run, failed=False)) for run in runs)  # as long as it answers
        self._bearing(partial(self._logger.on_experiment_end, trials=[]))

    def _bearing(self, tell: Callable[[], None]) -> bool:
        """Whether it could be told. Says once that it could not: whatever a tracker raises ends no search."""
        try:
            tell()
        except Exception as error:
            self._again_at = self._clock() + AGAIN_AFTER_S
            if not self._away:
                cause = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                print(f"note: {self._tracker} cannot be told ({cause}); {_LATER}", flush=True)
            self._away = True
            return False
        self._away = False
        return True


def _name(number: int) -> str:
    return f"trial_{number:03d}"
