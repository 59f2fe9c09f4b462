"""What is asked of files and disks: whether a disk takes files, what is said of one that takes none, a file's hash."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path

from search_spaces.errors import InputError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What the system says of a disk that takes no more, or nothing at all."""

_PROBE_BYTES = 1 << 20
"""Less than any search needs."""


def check_writable(folder: Path, flag: str = "--out") -> None:
    """Refuse a folder, there or yet to be made, that takes no files. Leaves nothing behind."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(os.urandom(_PROBE_BYTES))  # no zeros, which some disks need no room for
            file.flush()
    except OSError as error:
        raise unwritable(folder, error, flag) from None


def sha256_of(path: Path) -> str:
    """Of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def says_no_room(line: str) -> bool:
    """Whether an error's text, which is all that Ray hands on, is of such a disk."""
    return any(os.strerror(code) in line for code in NO_ROOM)


def unwritable(folder: Path, error: OSError, flag: str = "--out") -> InputError:
    """What is said of a disk that takes no more, or nothing at all."""
    return InputError(f"{flag}: {folder} cannot be written: {error.strerror}; make room there, or name another folder")
