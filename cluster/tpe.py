"""`--searcher tpe`: the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), as Optuna has it.

A suggestion depends only on the space, the seed, its number and what the trials so far showed, so a search that was
killed suggests what it would have suggested. Optuna is told the truth: a trial that ASHA stopped is pruned, at its
rung, and not complete with the value of that rung; one that failed or diverged is failed, and one that runs is
running, so that its neighbourhood is not tried twice at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from search_spaces import Recipe, Space
from trainables.scores import goodness
from trainables.trial import Trial

FIRST_AT_RANDOM = 8
"""Trials before the first suggestion: those of a random search with the same seed, `known_good` first."""

_TRIES = 20
"""Suggestions of a recipe that was tried already before chance decides."""

_STATES = {
    "finished": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "cut": TrialState.PRUNED,
    "slow": TrialState.PRUNED,
    "diverged": TrialState.FAIL,
    "failed": TrialState.FAIL,
    "unfinished": TrialState.RUNNING,
}


def suggested(space: Space, seed: int, number: int, trials: Sequence[Trial], metric: str) -> Recipe | None:
    """The recipe of trial `number` after `trials`, which none of them has; None where only known ones come up."""
    known = {trial.recipe.training_key() for trial in trials}
    told = [_told(space, trial, metric) for trial in trials]
    for attempt in range(_TRIES):
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=0,
            multivariate=True,
            constant_liar=True,
            seed=zlib.crc32(f"{seed} {number} {attempt}".encode()),
        )
        study = optuna.create_study(sampler=sampler)
        study.add_trials(told)
        recipe = space.sample(_Asked(study.ask()))
        if recipe.training_key() not in known:
            return recipe
    return None


@dataclass(frozen=True)
class _Asked:
    """Lets an Optuna trial decide."""

    trial: optuna.Trial

    def choice(self, name: str, values: Sequence[Any]) -> Any:
        among = _among(name, values)
        if _rise(values):
            return values[self.trial.suggest_int(among, 0, len(values) - 1)]
        return values[self.trial.suggest_categorical(among, range(len(values)))]

    def uniform(self, name: str, low: float, high: float) -> float:
        return self.trial.suggest_float(name, low, high)

    def scaled(self, name: str, rule: float, low: float, high: float) -> float:
        return rule * self.trial.suggest_float(f"{name} / rule", low, high, log=True)


@dataclass(frozen=True)
class _Recorded:
    """Lets a recipe decide, and notes what Optuna would have decided; what lies outside its range is left out."""

    recipe: Mapping[str, Any]
    values: dict[str, float] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)

    def choice(self, name: str, values: Sequence[Any]) -> Any:
        value = self.recipe[name]
        if value in values:
            places = range(len(values))
            self._note(
                _among(name, values),
                list(values).index(value),
                IntDistribution(0, places[-1]) if _rise(values) else CategoricalDistribution(places),
            )
        return value

    def uniform(self, name: str, low: float, high: float) -> float:
        value = float(self.recipe[name])
        if low <= value <= high:
            self._note(name, value, FloatDistribution(low, high))
        return value

    def scaled(self, name: str, rule: float, low: float, high: float) -> float:
        value = float(self.recipe[name])
        factor = value / rule
        inside = min(max(factor, low), high)  # a rate is rounded to three digits
        if abs(inside / factor - 1) < 0.01:
            self._note(f"{name} / rule", inside, FloatDistribution(low, high, log=True))
        return value

    def _note(self, name: str, value: float, distribution: BaseDistribution) -> None:
        self.values[name], self.distributions[name] = value, distribution


def _among(name: str, values: Sequence[Any]) -> str:
    """Optuna's name of a choice: other values, as of an image size on another patch grid, are another parameter."""
    return f"{name} among {', '.join(map(str, values))}"


def _rise(values: Sequence[Any]) -> bool:
    """Whether they are numbers in their order, so that neighbours are alike; names are not."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return numbers and list(values) == sorted(values)


def _told(space: Space, trial: Trial, metric: str) -> FrozenTrial:
    """A trial as Optuna is told of it; lower is better there."""
    recorded = _Recorded(trial.recipe.to_dict())
    space.decide(recorded)
    state = _STATES[trial.status]
    losses = [] if state == TrialState.FAIL else [-goodness(metric, value) for value in trial.values(metric)]
    return optuna.trial.create_trial(
        state=state,
        value=losses[-1] if state == TrialState.COMPLETE else None,
        params=recorded.values,
        distributions=recorded.distributions,
        intermediate_values=dict(enumerate(losses, start=1)),
    )
