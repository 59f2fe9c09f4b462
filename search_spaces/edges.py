"""Where a recipe sits at the end of a range: what lies beyond was not searched, and may be better."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from search_spaces.backbones import size_step
from search_spaces.ranges import Choice, LinearScaling, Only, Range, Uniform
from search_spaces.rules import limits

_NEAR = 0.05
"""Share of a continuous range, from either end, that counts as its end."""

_GEOMETRIC_FROM = 8.0
"""Choices whose greatest is this many times their least are taken as steps of a factor, and batch sizes always are."""


@dataclass(frozen=True)
class Edge:
    """A field at the end of its range."""

    field: str
    value: float
    end: str
    """`lowest` or `highest`."""
    searched: tuple[float, float]
    next: float
    """What to try next, within the field's own limits."""

    def __str__(self) -> str:
        low, high = self.searched
        unit = " of the linear-scaling rule" if self.field == "learning_rate" else ""
        return f"{self.field} {self.value:g}{unit} is the {self.end} of [{low:g}, {high:g}]; try {self.next:g}"


def described(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The ranges of a space's fields as JSON, for `edges`; constants and lists of names are left out."""
    found = {name: _described(field) for name, field in fields.items() if isinstance(field, Range)}
    return {name: about for name, about in found.items() if about}


def _described(field: Any) -> dict[str, Any]:
    if isinstance(field, Only):
        inner = _described(field.what) if isinstance(field.what, Range) else {}
        return {**inner, "where": field.where} if inner else {}
    if isinstance(field, Choice):
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in field.values)
        return {"choice": sorted(field.values)} if numeric and len(field.values) > 1 else {}
    if isinstance(field, Uniform):
        return {"uniform": [field.low, field.high]}
    if isinstance(field, LinearScaling) and field.low < field.high:
        return {"linear_scaling": [field.low, field.high], "base": field.base, "per": field.per}
    return {}


def edges(recipe: Mapping[str, Any], ranges: Mapping[str, Any]) -> Iterator[Edge]:
    """The fields of a recipe that are at the end of, or beyond, a range that goes on (`described`)."""
    for name, about in ranges.items():
        if any(recipe.get(key) != value for key, value in about.get("where", {}).items()):
            continue
        if "choice" in about:
            edge = _of_choice(name, recipe[name], about["choice"])
        elif "uniform" in about:
            edge = _of_uniform(name, recipe[name], *about["uniform"])
        else:
            factor = recipe[name] / (about["base"] * recipe["batch_size"] / about["per"])
            edge = _of_factor(name, factor, *about["linear_scaling"])
        if edge:
            yield _on_grid(edge, recipe)


def _of_choice(name: str, value: float, values: list[float]) -> Edge | None:
    low, high = values[0], values[-1]
    if low < value < high:
        return None
    end, neighbour = (low, values[1]) if value <= low else (high, values[-2])
    geometric = low > 0 and (
        name == "batch_size" or high / low >= _GEOMETRIC_FROM or _even([b / a for a, b in pairwise(values)])
    )
    further = end * end / neighbour if geometric else 2 * end - neighbour
    return _edge(name, value, (low, high), int(further) if isinstance(value, int) else further)


def _even(steps: list[float]) -> bool:
    """16, 32, 64 are doublings; of two values nobody knows."""
    return len(steps) > 1 and max(steps) < 1.01 * min(steps)


def _of_uniform(name: str, value: float, low: float, high: float) -> Edge | None:
    width = high - low
    if low + _NEAR * width < value < high - _NEAR * width:
        return None
    return _edge(name, value, (low, high), low - width / 2 if value < (low + high) / 2 else high + width / 2)


def _of_factor(name: str, factor: float, low: float, high: float) -> Edge | None:
    width, place = math.log(high / low), math.log(factor / low)
    if _NEAR * width < place < (1 - _NEAR) * width:
        return None
    further = low / (high / low) ** 0.5 if place < width / 2 else high * (high / low) ** 0.5
    return Edge(name, factor, "lowest" if place < width / 2 else "highest", (low, high), further)


def _edge(name: str, value: float, searched: tuple[float, float], further: float) -> Edge | None:
    """None where the field's own limit is the end."""
    least, most = limits(name)
    further = min(max(further, least), most)
    lowest = value < sum(searched) / 2
    gained = further < min(value, searched[0]) if lowest else further > max(value, searched[1])
    return Edge(name, value, "lowest" if lowest else "highest", searched, further) if gained else None


def _on_grid(edge: Edge, recipe: Mapping[str, Any]) -> Edge:
    """An image size that the backbone takes."""
    if edge.field != "image_size":
        return edge
    steps = edge.next / size_step(recipe["backbone"])
    further = size_step(recipe["backbone"]) * (math.floor(steps) if edge.end == "lowest" else math.ceil(steps))
    return replace(edge, next=further)
