"""The code of a search: which files it is, and their hash. Workers run a frozen copy of them.

python -m cluster.snapshot  prints the hash, for `search.py --code`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from search_spaces import InputError

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


def check_code(wanted: str | None) -> None:
    """Refuse to search with other packages than were `wanted`.

    `ray submit` copies one file to the head of a cluster; the packages there are those of the last `ray rsync-up`.
    """
    if wanted and wanted != code_hash():
        raise InputError(
            f"--code: {wanted} was asked for, the packages in {package_folders()[0].parent} are {code_hash()}; "
            "`ray rsync-up` brings yours (`make submit` does both)"
        )


if __name__ == "__main__":
    sys.stdout.write(f"{code_hash()}\n")
