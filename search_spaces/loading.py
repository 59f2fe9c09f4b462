"""From `--space` to a `Space`: a module of this package by its name, or a Python file of the user's own."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from search_spaces.errors import InputError
from search_spaces.space import Space

_NAMES = ("digits", "leaves", "cassava")


def space_names() -> tuple[str, ...]:
    """The spaces that come with leafsearch."""
    return _NAMES


def load_space(name: str) -> Space:
    """The `SPACE` of `search_spaces/NAME.py`, or of the Python file that `name` is a path of."""
    if name in _NAMES:
        return _space_of(importlib.import_module(f"search_spaces.{name}"), name)
    path = Path(name)
    if path.suffix == ".py" and path.is_file():
        return _space_of(_import_file(path), name)
    near = difflib.get_close_matches(name, _NAMES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InputError(f"--space must be one of {', '.join(_NAMES)}, or a .py file that exists; got {name!r}.{hint}")


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"leafsearch_space_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _space_of(module: ModuleType, name: str) -> Space:
    space = getattr(module, "SPACE", None)
    if not isinstance(space, Space):
        raise InputError(f"--space {name}: the file must define SPACE, a search_spaces.Space; got {space!r}")
    return space
