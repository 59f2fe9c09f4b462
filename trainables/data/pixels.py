"""Decoded images of a data folder, kept on this machine for all that train on it: each is decoded once.

A file of pixels, which is only added to and is read through a memory map, and an SQLite file that says where in it an
image lies. An image is found by its path, and only while its file has the size and the time that it had. A machine that
was restarted begins anew, since what was written last may not have reached its disk.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from trainables.bucket import cache_folder

Pixels = NDArray[np.uint8]
Read = Callable[[Path], Pixels]
"""How an image is read: (H, W, 3) uint8 RGB of a path."""

_GB = 10**9
_SMALL_FILE = 4096
"""Bytes of an image that is decoded as fast as it is found."""
_PATIENCE_S = 60
"""How long one waits while another writes an image, which takes about a millisecond."""
_IN_USE_S = 6 * 3600
"""What was used less long ago is not removed to make room."""
_LEFT_FREE = 0.1
"""Share of the disk that is not for decoded images, whatever was asked for."""

_TABLES = """
CREATE TABLE IF NOT EXISTS place
    (path TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER, first INTEGER, height INTEGER, width INTEGER);
CREATE TABLE IF NOT EXISTS taken (bytes INTEGER);
INSERT INTO taken SELECT 0 WHERE NOT EXISTS (SELECT * FROM taken);
"""

T = TypeVar("T")


def read_image(path: Path) -> Pixels:
    """(H, W, 3) uint8 RGB. Raises OSError where OpenCV cannot decode the file."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise OSError(f"{path} cannot be decoded")
    return image  # type: ignore[return-value]


@lru_cache(maxsize=2)
def reader(root: Path, cache_gb: float) -> Read:
    """What reads the images of a data folder: from a cache of so many GB (10^9 bytes), or each time anew if 0."""
    return PixelCache(root, cache_gb).read if cache_gb else read_image


class _Place(NamedTuple):
    """Where an image's pixels are, and which file they were decoded from."""

    size: int
    changed_ns: int
    first: int
    height: int
    width: int

    def is_of(self, state: os.stat_result) -> bool:
        return (self.size, self.changed_ns) == (state.st_size, state.st_mtime_ns)


class PixelCache:
    """The images below `root`, as far as `gb` suffices for them and for those of other folders.

    For any number of processes, also such as fork, as loaders do. Whatever is wrong with the files, images are read
    as if there were no cache.
    """

    def __init__(self, root: Path, gb: float) -> None:
        self._folder = _folder_of(root)
        self._limit = int(gb * _GB)
        self._usable = True
        self._full = False
        self._known: dict[str, _Place] | None = None
        self._map = memoryview(b"")

    def read(self, path: Path) -> Pixels:
        """As `read_image`; what was kept is read-only."""
        state = path.stat()
        if state.st_size < _SMALL_FILE:
            return read_image(path)
        kept = self._unless_broken(lambda: self._find(path, state))
        if kept is not None:
            return kept
        image = read_image(path)
        self._unless_broken(lambda: self._keep(path, state, image))
        return image

    def _unless_broken(self, do: Callable[[], T | None]) -> T | None:
        """A disk that is full or a file that is damaged is no reason to end a training."""
        if not self._usable:
            return None
        try:
            return do()
        except (OSError, ValueError, sqlite3.Error) as error:
            self._usable = False
            print(f"note: no decoded images are kept in {self._folder}: {error}", flush=True)
            return None

    def _find(self, path: Path, state: os.stat_result) -> Pixels | None:
        if self._known is None:
            self._known = self._all_places()
        place = self._known.get(str(path))
        if place is None or not place.is_of(state):
            place = self._place(path)  # another process may have decoded it meanwhile
        if place is None or not place.is_of(state):
            return None
        self._known[str(path)] = place
        return self._pixels(place)

    def _pixels(self, place: _Place) -> Pixels:
        shape = (place.height, place.width, 3)
        if place.first + int(np.prod(shape)) > len(self._map):
            with self._pixel_file.open("rb") as file:
                self._map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return np.frombuffer(self._map, np.uint8, int(np.prod(shape)), place.first).reshape(shape)

    def _keep(self, path: Path, state: os.stat_result, image: Pixels) -> None:
        """The pixels first and then where they are, so that a process which dies leaves nothing half done."""
        if self._full:
            return
        with self._table() as table:
            table.execute("BEGIN IMMEDIATE")
            (first,) = table.execute("SELECT bytes FROM taken").fetchone()
            if not self._has_room(first + image.nbytes):
                self._full = not _make_room(self._folder)
                return
            with self._pixel_file.open("r+b") as file:
                os.pwrite(file.fileno(), image.data, first)
            place = _Place(state.st_size, state.st_mtime_ns, first, *image.shape[:2])
            table.execute("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?, ?)", (str(path), *place))
            table.execute("UPDATE taken SET bytes = ?", (first + image.nbytes,))
            table.execute("COMMIT")

    def _has_room(self, needed: int) -> bool:
        """For so many bytes of this folder's own."""
        disk = shutil.disk_usage(self._folder)
        others = sum(_size(each / "pixels") for each in _others(self._folder))
        return needed + others <= self._limit and disk.free > _LEFT_FREE * disk.total

    def _all_places(self) -> dict[str, _Place]:
        _forget_earlier_starts(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        os.utime(self._folder)
        self._pixel_file.touch()
        with self._table() as table:
            table.executescript(_TABLES)
            return {path: _Place(*rest) for path, *rest in table.execute("SELECT * FROM place")}

    def _place(self, path: Path) -> _Place | None:
        with self._table() as table:
            row = table.execute("SELECT * FROM place WHERE path = ?", (str(path),)).fetchone()
        return _Place(*row[1:]) if row else None

    @contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        """Opened anew each time: a connection must not be carried into a process that is forked."""
        with closing(sqlite3.connect(self._folder / "places.sqlite", _PATIENCE_S, isolation_level=None)) as table:
            table.execute("PRAGMA synchronous = OFF")
            yield table

    @property
    def _pixel_file(self) -> Path:
        return self._folder / "pixels"


def pixels_folder() -> Path:
    """Where this machine keeps decoded images, a folder for each data folder: several machines may share a home."""
    return cache_folder() / "pixels" / os.uname().nodename


def _folder_of(root: Path) -> Path:
    """Named after the machine's last start, and the data."""
    return pixels_folder() / f"{_start()}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}"


def _start() -> str:
    """Of this machine: another one after each."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text()[:8] if boot.exists() else "unknown"


def _forget_earlier_starts(folder: Path) -> None:
    for each in _others(folder):
        if not each.name.startswith(_start()):
            shutil.rmtree(each, ignore_errors=True)


def _others(folder: Path) -> list[Path]:
    """This machine's other folders."""
    return [each for each in folder.parent.glob("*") if each != folder]


def _make_room(folder: Path) -> bool:
    """Remove what is in no use. Whoever has mapped it all the same keeps what it sees."""
    unused = [each for each in _others(folder) if time.time() - each.stat().st_mtime > _IN_USE_S]
    for each in unused:
        shutil.rmtree(each, ignore_errors=True)
    return bool(unused)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
