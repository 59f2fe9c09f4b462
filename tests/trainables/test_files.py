"""Files are whole or not there, on a full disk too."""

import errno
from pathlib import Path

import numpy as np
import pytest

from trainables.files import load_array, save_array, write_whole


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on half of a file is written before there is no room."""
    write = Path.write_bytes

    def cut(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", cut)


def test_a_full_disk_leaves_the_file_that_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "a.txt", "before")
    save_array(tmp_path / "b.npy", np.arange(3))
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a.txt", "after")
    with pytest.raises(OSError, match="No space left"):
        save_array(tmp_path / "b.npy", np.arange(5))
    assert (tmp_path / "a.txt").read_text() == "before"
    assert load_array(tmp_path / "b.npy").tolist() == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.npy"]
