"""Who would be promoted if the search ended now, and what they still cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cluster.budget import Remaining, is_paced
from cluster.costs import Costs
from cluster.plan import Plan
from cluster.promotion import Standing, ranked
from trainables.scores import goodness
from trainables.trial import load_recipe, load_trial


class Leaders:
    """Told who runs and how trials stand; `estimate` then says who leads."""

    def __init__(self, plan: Plan, costs: Costs) -> None:
        self._plan, self._costs = plan, costs
        self._standings: dict[int, Standing] = {}
        self._backbones: dict[int, str] = {}
        self.running: set[int] = set()
        """Numbers of the trials that train at this moment."""
        self.first: list[Remaining] = []
        """Who would be promoted if the search ended now."""
        self.expected: list[Remaining] = []
        """The same, where those that are about to take their place have taken it."""

    def stands(self, number: int, epoch: int, value: float) -> None:
        """A trial has trained so many epochs, and its metric is this after the last one."""
        self._standings[number] = Standing(number, epoch, goodness(self._plan.metric, value))
        if number not in self._backbones:
            self._backbones[number] = load_recipe(self._plan.search.trial(number)).backbone

    def drop(self, number: int) -> None:
        """A trial will not be promoted, or not before it reports again."""
        self._standings.pop(number, None)

    def estimate(self) -> None:
        """Who would be promoted now, and who is about to take their place; what they cost."""
        if not self._plan.budget:
            return
        reached = ranked([replace(each, cut=each.number in self.running) for each in self._standings.values()])
        first = self._plan.promotion.members(reached, self._backbones)
        wanted = {number for member in first for number in member.trials}
        furthest = max(reached.values(), default=0)  # where a challenger may get
        order = self._with_challengers([number for number in reached if number in wanted])
        coming = {n: furthest if n in self.running else reached[n] for n in order}
        coming |= {n: epoch for n, epoch in reached.items() if n not in coming}
        expected = self._plan.promotion.members(coming, self._backbones)
        remaining = {member: self._costs.remaining(member) for member in dict.fromkeys([*first, *expected])}
        self.first, self.expected = ([remaining[member] for member in each] for each in (first, expected))

    def others(self, number: int) -> Iterator[Remaining]:
        """Those that would be promoted without this trial, of the trials whose pace is known."""
        others = ranked([each for each in self._standings.values() if each.number != number and self._is_paced(each)])
        for member in self._plan.promotion.members(others, self._backbones):
            yield self._costs.remaining(member)

    @property
    def are_paced(self) -> bool:
        """Whether the first one's pace is known: its first epoch says too much of what is to come."""
        return self._is_paced(self._standings[self.first[0].member.trials[0]])

    def _is_paced(self, here: Standing) -> bool:
        return is_paced(here.epoch, here.number in self.running)

    def _with_challengers(self, first: Sequence[int]) -> list[int]:
        """Each running trial beyond the last rung before those that it is ahead of: it may take their place.

        One that costs more than whom it displaces in the last epoch of a search would leave no time for itself.
        """
        running, last_rung = sorted(self.running & set(self._standings)), max(self._plan.rungs, default=0)
        challengers = [here for here in (self._standings[n] for n in running) if here.epoch > last_rung]
        if not challengers:
            return list(first)
        values = {number: load_trial(self._plan.search, number).values(self._plan.metric) for number in first}
        order = list(first)
        for here in challengers:
            others = [other for other in order if other != here.number]
            ahead_of = [other for other in first if other != here.number and self._is_ahead(here, values[other])]
            if ahead_of:
                place = min(others.index(other) for other in ahead_of)
                order = [*others[:place], here.number, *others[place:]]
        return order

    def _is_ahead(self, here: Standing, values: Sequence[float]) -> bool:
        """Of a trial with these values, one an epoch, when it was at the same epoch."""
        return here.epoch <= len(values) and here.good > goodness(self._plan.metric, values[here.epoch - 1])
