"""The parameters of a space, as columns of a table over its recipes: which there are, and which ones a recipe has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any

from search_spaces.kinds import KINDS
from search_spaces.ranges import Choice, LinearScaling, Only, Range, Uniform
from search_spaces.recipe import Recipe
from search_spaces.space import Space

Value = bool | float | str

_KINDS = {"bool": bool, "int": float, "float": float, "str": str}
_DECLARED = {field.name: field for field in fields(Recipe)}
_LONGEST = 60
"""Letters of a text in a cell; an augmentation pipeline has thousands."""


@dataclass(frozen=True)
class Parameter:
    """A field that a space decides, or one of its recipes from experience."""

    name: str
    kind: type[Value]
    """Of its values. Whole numbers are floats too, as a table takes them."""
    values: tuple[Value, ...]
    """All that it can be, in order; empty where they cannot be listed."""
    bounds: tuple[float, float] | None
    """The least and the greatest value of a continuous one; None where nobody knows them."""
    varies: bool
    """Whether two recipes of the space can differ in it."""


def parameters(space: Space) -> list[Parameter]:
    """The union over all recipes that the space can give; known before the first of them is drawn."""
    seeds = space.seeds()
    return [_parameter(space, name, [seed for seed in seeds if has(space, seed, name)]) for name in _names(space)]


def parameter_values(space: Space, recipe: Recipe) -> dict[str, Value]:
    """The values of a recipe's parameters, by name; one that means nothing for this recipe is left out."""
    return {name: cell(getattr(recipe, name)) for name in _names(space) if has(space, recipe, name)}


def has(space: Space, recipe: Recipe, name: str) -> bool:
    """Whether a field means something for a recipe: it is of the loss (optimizer, …) that the recipe asks for, and an
    `Only` that holds it back elsewhere applies, or the recipe says otherwise all the same."""
    values = recipe.to_dict()
    for kind, alternatives in KINDS.items():
        if any(name in own for own in alternatives.values()) and name not in alternatives[values[kind]]:
            return False
    field = space.fields.get(name)
    return not isinstance(field, Only) or field.applies(values) or values[name] != _DECLARED[name].default


def cell(value: Any) -> Value:
    """A field's value as a table shows it: a long text by its beginning and a hash of all of it."""
    if isinstance(value, str):
        short = len(value) <= _LONGEST
        return value if short else f"{value[: _LONGEST // 2]}… {hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return value if isinstance(value, bool) else float(value)


def _names(space: Space) -> list[str]:
    return list(dict.fromkeys([*space.fields, *(name for good in space.known_good for name in good)]))


def _parameter(space: Space, name: str, seeds: Iterable[Recipe]) -> Parameter:
    """`seeds` are the `known_good` recipes that have it: they may go beyond the range."""
    declared = _DECLARED[name]
    kind = _KINDS[str(declared.type)]
    known = [cell(getattr(seed, name)) for seed in seeds]
    decided = name in space.fields or declared.default is MISSING
    field = space.fields[name] if decided else Choice(declared.default)
    what = field.what if isinstance(field, Only) else field
    if isinstance(what, Range) and not isinstance(what, Choice):
        ends = [*_ends(space, what), *known]
        numbers = [float(value) for value in ends if not isinstance(value, str)]
        return Parameter(name, kind, (), (min(numbers), max(numbers)) if numbers else None, varies=True)
    listed = what.values if isinstance(what, Choice) else (what,)
    values = sorted({*map(cell, listed), *known})
    return Parameter(name, kind, tuple(values), None, varies=len(values) > 1 or isinstance(field, Only))


def _ends(space: Space, field: Range) -> tuple[float, ...]:
    """Of a continuous range; nothing of one that a space brought along."""
    if isinstance(field, Uniform):
        return field.low, field.high
    if isinstance(field, LinearScaling):
        batch_sizes = [float(size) / field.per for size in space.values("batch_size")]
        return field.base * min(batch_sizes) * field.low, field.base * max(batch_sizes) * field.high
    return ()
