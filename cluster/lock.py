"""One driver at a time writes an OUT."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from search_spaces import InputError
from trainables.disk import NO_ROOM, unwritable


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file until the block ends or the process dies, in whatever way.

    `InputError` where another process has it, and where the disk takes no files.
    """
    with _taken(path):
        yield


def _taken(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise InputError(f"--out: {path.parent} is being written by another search ({holder})") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise unwritable(path.parent, error) from error
    return file
