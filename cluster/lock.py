"""One driver at a time writes an OUT."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.out import unwritable
from search_spaces import InputError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file until the block ends or the process dies, in whatever way; `InputError` where another has it.

    A disk that is full or read-only, now or later in the block, is an `InputError` too: what is written stays whole.
    """
    try:
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
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise unwritable(path.parent, error) from error
