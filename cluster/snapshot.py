"""The code of a search: which files it is, and their hash. Workers run a frozen copy of them."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

PACKAGES = ("search_spaces", "trainables", "cluster", "analysis")


def package_folders() -> list[Path]:
    """Where the four packages are imported from."""
    specs = [importlib.util.find_spec(name) for name in PACKAGES]
    return [Path(str(spec.origin)).parent for spec in specs if spec]


def code_hash() -> str:
    """Of the Python files of the four packages, names and contents."""
    digest = hashlib.sha256()
    for folder in package_folders():
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
