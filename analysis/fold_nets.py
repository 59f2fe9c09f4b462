"""The nets of an ensemble as they answer: how their predictions become one, and what they said out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.affordable import Evidence
from analysis.ensemble import Blend, blend_among, blend_of, cross_fitted_blend_of
from analysis.ensemble.chosen import oof_labels
from search_spaces.errors import InputError
from search_spaces.recipe import Recipe
from trainables.data.folds import Folds
from trainables.files import load_array, load_object
from trainables.layout import SearchFolder
from trainables.member import Member, ensemble_members, member_nets, oof_view_probs
from trainables.trial import load_recipe
from trainables.view_means import mean_of_search, nested_means


@dataclass(frozen=True, eq=False)
class FoldNets:
    """Of a finished search, or of what `predict.py --export` copied of one. Nets are listed member by member, and fold
    by fold; where the mean of several epochs answers, a fold has several."""

    search: SearchFolder
    members: tuple[Member, ...]
    weights: tuple[float, ...]
    """Theirs in the ensemble, summing to 1."""
    folds: Folds
    recipes: tuple[tuple[Recipe, ...], ...]
    """By member and fold."""

    @classmethod
    def load(cls, search: SearchFolder) -> FoldNets:
        """`InputError` where there is no finished search."""
        if not search.ensemble.exists():
            raise InputError(f"OUT must be a finished search; {search.path} has no {search.ensemble.name}")
        ensemble, folds = load_object(search.ensemble, "members", "weights"), Folds.load(search.folds)
        members = tuple(ensemble_members(search, folds.count))
        recipes = tuple(tuple(load_recipe(search.trial(number)) for number in member.trials) for member in members)
        return cls(search, members, tuple(ensemble["weights"]), folds, recipes)

    @property
    def names(self) -> list[str]:
        """Of the members."""
        return [*map(str, self.members)]

    @property
    def nets(self) -> list[Path]:
        """The weights of every net."""
        return [net for member in self.members for net in member_nets(self.search, member)]

    @property
    def own_counts(self) -> tuple[int, ...]:
        """For every net the views that its recipe looks at."""
        return tuple(
            recipe.tta_count for recipes in self.recipes for recipe in recipes for _ in recipe.answering_epochs
        )

    def counts(self, views: Sequence[int], nets: int | None = None) -> tuple[int, ...]:
        """For every net the views of its member; with `nets` only those of so many folds of each member look."""
        looking = self.folds.count if nets is None else nets
        return tuple(
            count if fold < looking else 0
            for count, recipes in zip(views, self.recipes, strict=True)
            for fold, recipe in enumerate(recipes)
            for _ in recipe.answering_epochs
        )

    def by_member(self, per_net: Sequence[float]) -> tuple[float, ...]:
        """The mean over each member's folds, whose nets add up."""
        return tuple(float(each.sum()) / self.folds.count for each in self._split(np.array(per_net)))

    def _split(self, per_net: NDArray[Any]) -> list[NDArray[Any]]:
        """By member, along the first axis."""
        ends = np.cumsum([sum(len(recipe.answering_epochs) for recipe in recipes) for recipes in self.recipes])
        return np.split(per_net, ends[:-1])

    @property
    def _shares(self) -> NDArray[np.float64]:
        """Of every net in its fold's answer: folds count alike, however many nets they have."""
        counts = [len(recipe.answering_epochs) for recipes in self.recipes for recipe in recipes]
        return np.array([1 / count for count in counts for _ in range(count)])

    @cached_property
    def blend(self) -> Blend:
        """Of all members."""
        return blend_of(self.search)

    def answer(self, probs: NDArray[np.floating]) -> NDArray[np.float64]:
        """The ensemble's (n, K) from its nets' (nets, n, K), of which those that are NaN did not look.

        Where whole members did not, the others are blended by their weights among each other.
        """
        looked = self._split(~np.isnan(probs[:, 0, 0]))
        split, shares = self._split(probs), self._split(self._shares)
        there = [member for member, each in enumerate(looked) if each.any()]
        means = [np.average(split[m][looked[m]], axis=0, weights=shares[m][looked[m]]) for m in there]
        if len(there) == len(self.members):
            return self.blend(np.array(means, dtype=np.float64))
        return blend_among(means, [self.weights[member] for member in there])

    def evidence(self) -> Evidence:
        """What they said out of fold, view by view."""
        views = [oof_view_probs(self.search, member, self.folds) for member in self.members]
        means = [nested_means(each, mean_of_search(self.search)) for each in views]
        metric = load_object(self.search.search, "metric")["metric"]
        return Evidence(means, self.weights, cross_fitted_blend_of(self.search), self.labels, metric)

    @property
    def class_shares(self) -> NDArray[np.float64]:
        """(K,), of the labels as given."""
        classes = load_array(self.search.trial(self.members[0].trials[0]).fold(0).pred_probs).shape[1]
        return np.bincount(self.labels, minlength=classes) / len(self.labels)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """As given, of the validated rows."""
        return oof_labels(self.search, self.folds)
