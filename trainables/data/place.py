"""Where the images are: a folder, or one in a bucket that every machine fetches once, or the digits."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from trainables.bucket import Bucket, cache_folder, is_bucket
from trainables.data.digits import write_digits
from trainables.files import load_object, save_json

_AT_ONCE = 16
"""Downloads side by side: images are small, and an answer takes long."""

Update = Callable[[int, int], object]


@dataclass(frozen=True)
class DataPlace:
    """The same for all machines; where it is on one of them, `here` says."""

    where: str
    """A path, `s3://...` or `gs://...`, or `digits`."""
    seed: int = 0
    """Of the flipped labels of the digits."""

    def here(self, on_file: Update = lambda done, total: None) -> Path:
        """The folder on this machine; what is in a bucket is fetched by whoever asks first, the others wait."""
        if not is_bucket(self.where) and self.where != "digits":
            return Path(self.where)
        folder = _cache() / hashlib.sha256(f"{self.where} {self.seed}".encode()).hexdigest()[:16]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not contents_file(folder).exists():
                self._bring(folder, on_file)
        return folder

    def _bring(self, folder: Path, on_file: Update) -> None:
        """Whole, or the next who asks begins anew."""
        shutil.rmtree(folder, ignore_errors=True)
        if self.where == "digits":
            write_digits(folder, self.seed)
        else:
            _fetch(Bucket(self.where), folder, on_file)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digest = hashlib.sha256()
        for path in files:
            digest.update(path.relative_to(folder).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
        save_json(contents_file(folder), {"from": self.where, "files": len(files), "sha256": digest.hexdigest()})


def contents_file(folder: Path) -> Path:
    """Beside a folder that was fetched: how many files it has, and the hash of their names and bytes."""
    return folder.with_suffix(".json")


def fetched_hash(folder: Path) -> str | None:
    """Of the contents of a folder that was fetched; None for one that was not."""
    file = contents_file(folder)
    return str(load_object(file, "sha256")["sha256"]) if folder.parent == _cache() and file.exists() else None


def _fetch(bucket: Bucket, folder: Path, on_file: Update) -> None:
    names = sorted(bucket.states())
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(lambda name: bucket.download(name, folder / name), names), start=1):
            on_file(done, len(names))


def _cache() -> Path:
    return cache_folder() / "data"
