"""The code of a search: which files it is, and their hash. Workers run a frozen copy of them."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

PACKAGES = ("search_spaces", "trainables", "cluster", "analysis")


def package_folders() -> list[Path]:
    """Where the four packages are imported from."""
    specs = [importlib.util.find_spec(name) for name in PACKAGES]
    return [Path(str(spec.origin)).parent for spec in specs if spec]


@contextmanager
def frozen() -> Iterator[Path]:
    """A folder with a copy of the four packages, for as long as Ray takes to send it to its workers.

    As the workers' working directory: with any other, Ray puts the driver's own folder before all else on their path,
    and an edit there would reach the next worker that starts.
    """
    with tempfile.TemporaryDirectory() as folder:
        code_hash()  # of what is copied here, whatever happens to the files later
        for package in package_folders():
            shutil.copytree(package, Path(folder) / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(folder)


@cache
def code_hash() -> str:
    """Of the Python files of the four packages, names and contents, as they were when this process first asked."""
    digest = hashlib.sha256()
    for folder in package_folders():
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
