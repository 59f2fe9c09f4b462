"""What may vary: recipes, ranges and spaces as pure data. Imports neither torch nor ray."""

from search_spaces.errors import InputError
from search_spaces.loading import load_space, space_names
from search_spaces.pipeline import pipeline
from search_spaces.recipe import Recipe
from search_spaces.space import Space

__all__ = ["InputError", "Recipe", "Space", "load_space", "pipeline", "space_names"]
