"""OUT as the driver sees it: a folder that all nodes share, or this machine's copy of one in a bucket."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from search_spaces import InputError
from trainables.bucket import Bucket, Copy, cache_folder, is_bucket
from trainables.files import load_object, save_json
from trainables.layout import FoldFolder, SearchFolder, is_heavy, is_test_part, only_trainings_read

_PUBLISH_EVERY_S, _PUBLISHING_AT_MOST = 2.0, 0.1
"""Less often where it would take more than this share of the driver's time: it looks at every file of every trial."""

_FETCH_EVERY_S = 5.0
_ALIVE_EVERY_S = 20.0
_FOLD = FoldFolder(Path())
_OF_THE_DRIVER = (_FOLD.search_probs.name, _FOLD.cleaned.name, _FOLD.test_probs.name)
"""In a fold's folder."""


class Store:
    """A folder that all nodes share: there is nothing to bring anywhere."""

    bucket: Bucket | None = None

    def __init__(self, search: SearchFolder) -> None:
        self.search = search

    @property
    def place(self) -> str:
        """As a user names it."""
        return str(self.search.path)

    def fetch(self, number: int, fold: int) -> None:
        """Bring what a training on some node has written, before it is read here."""

    def fetch_running(self, pairs: Iterable[tuple[int, int]]) -> None:
        """`fetch` of trials and folds that are being trained, now and then."""

    def fetch_parts(self, soon: bool = False) -> None:
        """Bring what is predicted of the test images; `soon` is now and then."""

    def publish(self, soon: bool = False) -> None:
        """Bring what the driver has written to where all see it; `soon` is now and then."""

    def publish_file(self, file: Path) -> None:
        """Bring one file at once. To look for all that is new takes longer, the more trials there are."""

    def close(self) -> None:
        """The driver ends: all that it wrote is published."""
        self.publish()

    def forget(self, number: int, fold: int) -> None:
        """Delete weights and checkpoints, here and where all see them."""
        self.search.trial(number).fold(fold).forget_weights()

    def forget_parts(self) -> None:
        """Delete what is predicted of the test images, here and where all see it."""
        shutil.rmtree(self.search.test_parts, ignore_errors=True)


class BucketStore(Store):
    """A copy on this machine. What is in a fold's folder belongs to its training, all else to the driver, but for what
    others predict of the test images."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(SearchFolder(_local_copy_of(bucket)))
        self.bucket: Bucket = bucket
        self._copy = Copy(bucket, self.search.path)
        self._published = self._fetched = 0.0
        self._publish_every_s = _PUBLISH_EVERY_S

    @property
    def place(self) -> str:
        return self.bucket.uri

    def begin(self, resume: bool) -> None:
        """Empty the copy, or bring what is there already: all but checkpoints, which only trainings read."""
        if self.search.path.exists():
            shutil.rmtree(self.search.path)
        now = self.bucket.check("--out")
        if resume:
            self._copy.pull(but=only_trainings_read)
            self._check_alone(now)
        elif self.bucket.states():
            raise InputError(
                f"--out: {self.place} holds a search already; add --resume to go on with it, or name another"
            )

    def fetch(self, number: int, fold: int) -> None:
        self._copy.pull(self._name(number, fold), but=only_trainings_read)

    def fetch_running(self, pairs: Iterable[tuple[int, int]]) -> None:
        if time.monotonic() - self._fetched > _FETCH_EVERY_S:
            for number, fold in pairs:
                self.fetch(number, fold)
            self._fetched = time.monotonic()

    def fetch_parts(self, soon: bool = False) -> None:
        if not soon or time.monotonic() - self._fetched > _FETCH_EVERY_S:
            self._copy.pull(self.search.test_parts.name, but=lambda name: not is_test_part(name))
            self._fetched = time.monotonic()

    def publish(self, soon: bool = False) -> None:
        began = time.monotonic()
        if not soon or began - self._published > self._publish_every_s:
            self._say_alive()
            self._copy.push(but=_others_write)
            self._published = time.monotonic()
            self._publish_every_s = max(_PUBLISH_EVERY_S, (self._published - began) / _PUBLISHING_AT_MOST)

    def publish_file(self, file: Path) -> None:
        self._copy.push_files([file.relative_to(self.search.path).as_posix()])

    def close(self) -> None:
        self._driver.unlink(missing_ok=True)
        self._copy.push(but=_others_write)

    @property
    def _driver(self) -> Path:
        """In place of a lock, which a bucket has not: written again and again while a driver lives."""
        return self.search.path / "driver.json"

    def _say_alive(self) -> None:
        if time.time() - (self._driver.stat().st_mtime if self._driver.exists() else 0.0) > _ALIVE_EVERY_S:
            save_json(self._driver, {"process": os.getpid(), "host": os.uname().nodename, "at": time.time()})

    def _check_alone(self, now_ns: int) -> None:
        """Refuse to go on while another driver does; `now_ns` by the bucket's own clock."""
        written = self.bucket.states().get(self._driver.name)
        if written and now_ns - written[1] < 3e9 * _ALIVE_EVERY_S:
            other = load_object(self._driver, "process", "host")
            raise InputError(
                f"--out: {self.place} is being written by process {other['process']} on {other['host']}, or was until "
                f"less than {3 * _ALIVE_EVERY_S:.0f} s ago; if that is dead, wait for so long, or delete "
                f"{self._driver.name} there"
            )
        self._driver.unlink(missing_ok=True)

    def forget(self, number: int, fold: int) -> None:
        folder = self.search.trial(number).fold(fold)
        if folder.path.exists():
            super().forget(number, fold)
            names = self.bucket.states(self._name(number, fold))
            self.bucket.remove(name for name in names if is_heavy(name.rpartition("/")[2]))

    def forget_parts(self) -> None:
        super().forget_parts()
        self.bucket.remove(self.bucket.states(self.search.test_parts.name))

    def _name(self, number: int, fold: int) -> str:
        return self.search.trial(number).fold(fold).path.relative_to(self.search.path).as_posix()


def open_store(out: str | Path, resume: bool) -> Store:
    """OUT by its path or URI."""
    if not is_bucket(str(out)):
        return Store(SearchFolder(Path(out).expanduser().resolve()))
    store = BucketStore(Bucket(str(out)))
    store.begin(resume)
    return store


def _local_copy_of(bucket: Bucket) -> Path:
    return cache_folder() / hashlib.sha256(bucket.uri.encode()).hexdigest()[:16]


def _others_write(name: str) -> bool:
    """What trainings and predictions do: all in a fold's folder but what the driver puts there of a promoted trial. And
    what never leaves a machine."""
    parts = name.split("/")
    of_a_fold = len(parts) == 4 and parts[0] == "trials" and parts[3] not in _OF_THE_DRIVER
    return of_a_fold or is_test_part(name) or parts[0] in ("ray", "lock", "micro_batches.json")
