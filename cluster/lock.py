"""One driver at a time writes an OUT."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search_spaces import InputError


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file until the block ends or the process dies, in whatever way; `InputError` where another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(
                f"--out: {path.parent} is being written by another search ({file.read().strip()})"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
        yield
