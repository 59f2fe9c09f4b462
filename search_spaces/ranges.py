"""What one field of a recipe may be: the ranges that stand beside constants in a space."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from search_spaces.errors import InputError


@runtime_checkable
class Range(Protocol):
    """Something to draw a field's value from."""

    def sample(self, rng: random.Random, drawn: Mapping[str, Any]) -> Any:
        """One value. `drawn` holds the fields that are decided already."""
        ...


@dataclass(frozen=True, init=False)
class Choice:
    """One of the values, each as likely as the others."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        if not values or len(set(values)) != len(values):
            raise InputError(f"Choice needs at least one value and no value twice, got {values!r}")
        object.__setattr__(self, "values", values)

    def sample(self, rng: random.Random, drawn: Mapping[str, Any]) -> Any:
        return rng.choice(self.values)


@dataclass(frozen=True)
class Uniform:
    """A float in [low, high], rounded to 3 digits so that a recipe can be read and typed again."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"Uniform: low < high must hold, got low={self.low!r}, high={self.high!r}")

    def sample(self, rng: random.Random, drawn: Mapping[str, Any]) -> float:
        return round(rng.uniform(self.low, self.high), 3)


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

    def sample(self, rng: random.Random, drawn: Mapping[str, Any]) -> Any:
        return self.what.sample(rng, drawn) if isinstance(self.what, Range) else self.what


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

    def sample(self, rng: random.Random, drawn: Mapping[str, Any]) -> float:
        factor = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return float(f"{self.base * drawn['batch_size'] / self.per * factor:.3g}")
