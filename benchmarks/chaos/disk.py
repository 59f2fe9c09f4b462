"""A disk small enough to be filled: a tmpfs on a folder, for as long as a block runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 192


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount it on a new folder, which keeps its files afterwards; yields whether that was permitted (root's right)."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "chaos", str(folder)]
    mounted = bool(shutil.which("mount")) and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            kept = folder.with_name(f"{folder.name}.kept")
            shutil.copytree(folder, kept, symlinks=True)
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            folder.rmdir()
            kept.rename(folder)
