"""Files written whole, and read with errors that say what to do. Imports neither torch nor ray."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import InputError
from trainables import layout


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: under a temporary name first, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # on a full disk it would take the room that is left
        raise


def save_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """JSON with sorted keys, written whole."""
    write_whole(path, json.dumps(value, indent=indent, sort_keys=True) + "\n")


def load_json(path: Path) -> Any:
    """The inverse of `save_json`. A file that is not there or no JSON is an `InputError` that says what to do."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} is not there; {_mended(path)}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}; {_mended(path)}") from None


def load_object(path: Path, *keys: str) -> dict[str, Any]:
    """`load_json` of an object that has these keys."""
    content = load_json(path)
    lacking = [key for key in keys if not isinstance(content, dict) or key not in content]
    if lacking or not isinstance(content, dict):
        raise InputError(f"{path} lacks {', '.join(lacking) or 'everything'}; {_mended(path)}")
    return content


def load_rows(path: Path, *keys: str) -> list[dict[str, Any]]:
    """`load_json` of a list of objects that have these keys."""
    content = load_json(path)
    if not isinstance(content, list) or not all(isinstance(row, dict) and set(keys) <= set(row) for row in content):
        raise InputError(f"{path} is no list of rows with {', '.join(keys)}; {_mended(path)}")
    return content


def _mended(path: Path) -> str:
    """What to do about a file of OUT. It was written whole, so something else than the search spoilt it."""
    if path.name == layout.SEARCH:
        return "nothing can write it again: bring it back from a copy, or begin another search"
    if path.name == layout.RECIPE:
        return f"without {path.parent}, --resume puts another trial in its place"
    return "without it, the same search.py command with --resume writes it again"


def save_array(path: Path, array: NDArray[Any]) -> None:
    """A `.npy` file, written whole."""
    content = io.BytesIO()  # numpy's own writing to a full disk raises an error that does not say so
    np.save(content, array, allow_pickle=False)
    write_whole(path, content.getvalue())


def load_array(path: Path) -> NDArray[Any]:
    """The inverse of `save_array`; refuses pickles."""
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as an array: {error}") from None
    return array
