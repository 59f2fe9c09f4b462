"""From `--space` to a `Space`: a module of this package by its name, or a Python file of the user's own."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from search_spaces.errors import InputError
from search_spaces.space import Space

_NAMES = ("digits", "leaves", "cassava")
_DIARY = "diary"


def space_names() -> tuple[str, ...]:
    """The spaces to search in."""
    return _NAMES


def diary_names() -> tuple[str, ...]:
    """The cassava diary's experiments, each a grid: `diary/t1` and so on."""
    folder = Path(__file__).parent / _DIARY
    return tuple(f"{_DIARY}/{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem not in _NO_SPACES)


_NO_SPACES = ("__init__", "family")


def load_space(name: str) -> Space:
    """The `SPACE` of `search_spaces/NAME.py`, or of the Python file that `name` is a path of."""
    known = (*_NAMES, *diary_names())
    if name in known:
        return _space_of(importlib.import_module(f"search_spaces.{name.replace('/', '.')}"), name)
    path = Path(name)
    if path.suffix == ".py" and path.is_file():
        return _space_of(_import_file(path), name)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InputError(f"--space must be one of {', '.join(known)}, or a .py file that exists; got {name!r}.{hint}")


class _LeavesNothing(SourceFileLoader):
    """Writes no bytecode beside a file of the user's own."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        pass


def _import_file(path: Path) -> ModuleType:
    name = f"leafsearch_space_{path.stem}"
    loader = _LeavesNothing(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except InputError as error:
        raise InputError(f"--space {path}: {error.rule}", error.problems) from None
    except Exception as error:  # whatever a file of the user's own raises
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"--space {path}: the file cannot be run: {said}") from None
    return module


def _space_of(module: ModuleType, name: str) -> Space:
    space = getattr(module, "SPACE", None)
    if not isinstance(space, Space):
        raise InputError(f"--space {name}: the file must define SPACE, a search_spaces.Space; got {space!r}")
    return space
