"""`Space`: which recipes are allowed, constants beside ranges, and the recipes that are tried first."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice, product
from typing import Any

from search_spaces.backbones import fits
from search_spaces.errors import InputError
from search_spaces.ranges import Chance, Choice, Draw, LinearScaling, Only, Range
from search_spaces.recipe import REQUIRED, Recipe, check_names

# A space so narrow that a new recipe is not drawn in this many tries has none left worth waiting for.
_MOST_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Space:
    """Ranges and constants for every field of a `Recipe`, with the size of a search that suits them.

    `known_good` are recipes from experience (only the fields that vary need a value): they are tried
    first, so a search is never worse than what was known before it.
    """

    name: str
    fields: Mapping[str, Any]
    known_good: tuple[Mapping[str, Any], ...] = ()
    trials: int
    epochs: int
    promote: int
    gpus_per_trial: float = 0.0
    """Above 0 a trial needs a GPU. It gets so much of one, or of several, where no share follows from its recipe."""
    grid: bool = False
    """Every combination of the `Choice`s once, in their order, in place of random draws."""
    expected: tuple[tuple[Mapping[str, Any], float], ...] = ()
    """What was found before: some fields, and the accuracy with them."""
    expected_se: float = 0.0
    """Standard error of those accuracies."""
    expected_on: str = ""
    """What they were measured on."""

    def __post_init__(self) -> None:
        check_names(self.fields)
        missing = [name for name in REQUIRED if name not in self.fields and name != "epochs"]
        if missing:
            raise InputError(f"The space {self.name!r} decides nothing for these fields:", missing)
        if not all(self._sizes_of(backbone) for backbone in self.values("backbone")):
            raise InputError(f"Every backbone of the space {self.name!r} needs an image size on its patch grid")
        self.seeds()

    def values(self, name: str) -> tuple[Any, ...]:
        """The values that a constant or a `Choice` can take."""
        field = self.fields[name]
        if isinstance(field, Range) and not isinstance(field, Choice):
            raise InputError(f"{name} of the space {self.name!r} is continuous; its values cannot be listed")
        return field.values if isinstance(field, Choice) else (field,)

    def largest_tta_count(self) -> int:
        """Views that must be scored so that every count of the space is known."""
        counts = self.values("tta_count") if "tta_count" in self.fields else (1,)
        return max([*map(int, counts), *(recipe.tta_count for recipe in self.seeds())])

    def fixed(self, **constants: Any) -> Space:
        """The same space with some fields decided, in the `known_good` recipes too; a grid shrinks to what is left."""
        good = tuple({name: value for name, value in r.items() if name not in constants} for r in self.known_good)
        space = replace(self, fields={**self.fields, **constants}, known_good=good)
        return space.of_size(min(space.trials, len(space.combinations()))) if space.grid else space

    def of_size(self, trials: int) -> Space:
        """The same space for a search of so many trials."""
        return replace(self, trials=trials)

    def keeping_backbones(self, keep: Callable[[str], bool]) -> Space:
        """The same space without the backbones that `keep` refuses, and without the recipes that name them."""
        kept = [name for name in self.values("backbone") if keep(name)]
        if not kept:
            raise InputError(f"No backbone of the space {self.name!r} is left", self.values("backbone"))
        good = tuple(r for r in self.known_good if "backbone" not in r or r["backbone"] in kept)
        left = Choice(*kept) if isinstance(self.fields["backbone"], Choice) else kept[0]
        return replace(self, fields={**self.fields, "backbone": left}, known_good=good)

    def seeds(self) -> list[Recipe]:
        """The `known_good` recipes, completed with the space's constants."""
        constants = {name: value for name, value in self.fields.items() if not isinstance(value, Range)}
        return [Recipe.from_dict({"epochs": self.epochs, **constants, **good}) for good in self.known_good]

    def combinations(self) -> list[Recipe]:
        """Every combination of the `Choice`s whose image size the backbone takes; the last field varies fastest."""
        choices = {name: field.values for name, field in self.fields.items() if isinstance(field, Choice)}
        decided = [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]
        fitting = [d for d in decided if fits({**self.fields, **d}["backbone"], {**self.fields, **d}["image_size"])]
        nothing_left = Chance(random.Random(0))
        return [replace(self, fields={**self.fields, **each}).sample(nothing_left) for each in fitting]

    def sample(self, draw: Draw) -> Recipe:
        """One recipe, as `draw` decides."""
        return Recipe.from_dict(self.decide(draw))

    def decide(self, draw: Draw) -> dict[str, Any]:
        """Every field of a recipe, as `draw` decides; the image size is one of those that the backbone takes."""
        drawn: dict[str, Any] = {"epochs": self.epochs}
        for name in sorted(self.fields, key=self._drawing_order):
            field = self.fields[name]
            if isinstance(field, Only) and not field.applies(drawn):
                continue
            if name == "image_size":
                drawn[name] = draw.choice(name, self._sizes_of(drawn["backbone"]))
            else:
                drawn[name] = field.sample(draw, name, drawn) if isinstance(field, Range) else field
        return drawn

    def recipes(self, count: int, seed: int) -> list[Recipe]:
        """`count` recipes for a search: the first of `stream`. `InputError` where the space has not so many."""
        found = list(islice(self.stream(seed), count))
        if len(found) < count:
            what = "recipes" if self.grid else "different trainings"
            raise InputError(f"The space {self.name!r} has only {len(found)} {what}, not {count}")
        return found

    def stream(self, seed: int) -> Iterator[Recipe]:
        """All recipes that a search may try: a grid's, or `known_good` first and then random ones, none twice.

        Recipe i depends only on the space, the seed and i, so a longer search begins as a shorter one does.
        """
        if self.grid:
            yield from self.combinations()
            return
        seen: set[str] = set()
        draw, draws = Chance(random.Random(f"leafsearch recipes {seed}")), 0
        for recipe in chain(self.seeds(), iter(lambda: self.sample(draw), None)):
            if recipe.training_key() not in seen:
                seen.add(recipe.training_key())
                draws = 0
                yield recipe
            elif draws == _MOST_DRAWS:
                return
            draws += 1

    def _sizes_of(self, backbone: str) -> list[int]:
        return [size for size in self.values("image_size") if fits(backbone, size)]

    def _drawing_order(self, name: str) -> tuple[int, str]:
        depends = name == "image_size" or isinstance(self.fields[name], LinearScaling | Only)
        return int(depends), name
