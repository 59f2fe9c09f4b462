"""OUT in a bucket, to be read: a copy on this machine of all that an analysis asks for, brought anew when opened."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trainables.bucket import Bucket, Copy, cache_folder
from trainables.layout import is_heavy, only_trainings_read


def copied(uri: str) -> Path:
    """The folder of the copy. Weights, checkpoints and events stay where they are; what is gone there goes here."""
    bucket = Bucket(uri)
    bucket.check_readable("OUT")
    folder = cache_folder() / "read" / hashlib.sha256(uri.encode()).hexdigest()[:16]
    Copy(bucket, folder).pull(but=_unread)
    there = bucket.states()
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        if file.relative_to(folder).as_posix() not in there:
            file.unlink()
    return folder


def _unread(name: str) -> bool:
    return is_heavy(name.rpartition("/")[2]) or only_trainings_read(name)
