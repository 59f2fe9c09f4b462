"""What a machine must share with the driver's before it trains anything: libraries and data. Imports neither torch nor
ray, so that a node can be asked in a moment."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from search_spaces.errors import InputError
from trainables.data.place import DataPlace, fetched_hash

LIBRARIES = ("torch", "torchvision", "timm", "albumentations", "opencv-python-headless", "ray", "optuna")
"""Part of the code of a search, as far as its numbers go."""


_PATIENCE_S = 30


@dataclass(frozen=True)
class NodeFacts:
    """What was found on a machine."""

    libraries: tuple[tuple[str, str], ...]
    """Names and versions; "none" where a library is not installed."""
    data: str
    """Of the tables' contents, and of the images' names and sizes; "none" where there is no such folder.

    Of the driver's: digits that the search will write into OUT, which all machines share.
    """


def libraries() -> dict[str, str]:
    """The versions that this machine has."""
    return {name: _version(name) for name in LIBRARIES}


def facts(data: DataPlace) -> NodeFacts:
    """Of this machine. Lists the data folder, which takes a while where there are many images on a share.

    What is in a bucket is fetched, and goes by the hash of its contents.
    """
    root = data.here()
    return NodeFacts(tuple(libraries().items()), fetched_hash(root) or data_signature(root))


def differences(here: NodeFacts, wanted: NodeFacts, data: DataPlace) -> Iterator[str]:
    """What a node lacks of what the driver's has, a line each."""
    found = dict(here.libraries)
    for name, needed in wanted.libraries:
        if found.get(name) != needed:
            yield f"{name} is {found.get(name)}, must be {needed}"
    if here.data == "none" != wanted.data:
        yield f"--data: there is no {data.where}"
    elif wanted.data not in ("none", here.data):
        yield f"--data: {data.where} holds other tables or images than the driver's"


@cache
def check_node(data: DataPlace, wanted: NodeFacts) -> None:
    """Refuse to train on a machine that is not as the driver's, which may have joined long after the search began."""
    lacking = list(differences(facts(data), wanted, data))
    if lacking:
        raise InputError(f"{os.uname().nodename} is no node for this search:", lacking)


def gpu_bytes() -> int:
    """Memory of this machine's smallest NVIDIA GPU, as the driver says; 0 where there is none, or no driver to ask.

    Asked without torch, which sees no GPU in a process that Ray gave none.
    """
    asked = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE_S, check=True).stdout
        return min(int(line) for line in said.split()) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def data_signature(root: Path) -> str:
    """A short hash of the tables' contents and of the images' names and sizes. Opens no image."""
    if not root.is_dir():
        return "none"
    digest = hashlib.sha256()
    for path in sorted(root.iterdir()):
        if path.is_dir():
            with os.scandir(path) as entries:
                sizes = sorted(f"{entry.name}\0{entry.stat().st_size}" for entry in entries)
            digest.update("\n".join((path.name, *sizes)).encode())
        elif path.suffix in (".csv", ".json"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
