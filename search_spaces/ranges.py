"""What one field of a recipe may be: the ranges that stand beside constants in a space."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from search_spaces.errors import InputError


class Draw(Protocol):
    """Who decides: chance, a searcher that learns, or a recipe that is there already."""

    def choice(self, name: str, values: Sequence[Any]) -> Any:
        """One of the values of the field `name`."""
        ...

    def uniform(self, name: str, low: float, high: float) -> float:
        """A float in [low, high]."""
        ...

    def scaled(self, name: str, rule: float, low: float, high: float) -> float:
        """`rule` times a factor in [low, high], even in its logarithm."""
        ...


@dataclass(frozen=True)
class Chance:
    """Draws at random: each choice as likely as the others."""

    rng: random.Random

    def choice(self, name: str, values: Sequence[Any]) -> Any:
        return self.rng.choice(values)

    def uniform(self, name: str, low: float, high: float) -> float:
        return self.rng.uniform(low, high)

    def scaled(self, name: str, rule: float, low: float, high: float) -> float:
        return rule * math.exp(self.rng.uniform(math.log(low), math.log(high)))


@runtime_checkable
class Range(Protocol):
    """Something to draw a field's value from."""

    def sample(self, draw: Draw, name: str, drawn: Mapping[str, Any]) -> Any:
        """One value of the field `name`. `drawn` holds the fields that are decided already."""
        ...


@dataclass(frozen=True, init=False)
class Choice:
    """One of the values, each as likely as the others."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        if not values or len(set(values)) != len(values):
            raise InputError(f"Choice needs at least one value and no value twice, got {values!r}")
        object.__setattr__(self, "values", values)

    def sample(self, draw: Draw, name: str, drawn: Mapping[str, Any]) -> Any:
        return draw.choice(name, self.values)


@dataclass(frozen=True)
class Uniform:
    """A float in [low, high], rounded to 3 digits so that a recipe can be read and typed again."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"Uniform: low < high must hold, got low={self.low!r}, high={self.high!r}")

    def sample(self, draw: Draw, name: str, drawn: Mapping[str, Any]) -> float:
        return round(draw.uniform(name, self.low, self.high), 3)


class Only:
    """A range or a constant for some recipes: those in which the named fields have these values.

    `Only(Uniform(0.5, 1.0), loss="bi_tempered")`; elsewhere the field keeps the recipe's default.
    """

    def __init__(self, what: Any, **where: Any) -> None:
        if not where:
            raise InputError("Only needs the fields that it depends on, as in Only(Uniform(0.5, 1.0), loss='focal')")
        self.what = what
        self.where = where

    def applies(self, drawn: Mapping[str, Any]) -> bool:
        """Whether the fields that are decided have the values that are asked for."""
        return all(drawn.get(name) == value for name, value in self.where.items())

    def sample(self, draw: Draw, name: str, drawn: Mapping[str, Any]) -> Any:
        return self.what.sample(draw, name, drawn) if isinstance(self.what, Range) else self.what


@dataclass(frozen=True)
class LinearScaling:
    """A learning rate around the linear-scaling rule (arXiv 1706.02677): `base * batch_size / per`, times a factor.

    The factor is log-uniform in [low, high]; with both 1 the rule alone decides. The result is rounded to 3
    significant digits.
    """

    base: float
    per: int
    low: float = 0.5
    high: float = 2.0

    def __post_init__(self) -> None:
        if not (0 < self.low <= self.high and self.base > 0 and self.per > 0):
            raise InputError(f"LinearScaling: base, per > 0 and 0 < low <= high must hold, got {self!r}")

    def sample(self, draw: Draw, name: str, drawn: Mapping[str, Any]) -> float:
        rule = self.base * drawn["batch_size"] / self.per
        return float(f"{draw.scaled(name, rule, self.low, self.high):.3g}")
