"""Files are whole or not there, on a full disk too."""

import errno
from pathlib import Path

import numpy as np
import pytest

from trainables.layout import (
    DENOISED_FROM,
    SearchFolder,
    denoised_number,
    load_array,
    save_array,
    save_json,
    write_whole,
)


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


def test_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    search = SearchFolder(tmp_path)
    kept = [search.rungs, search.trial(0).recipe, search.trial(0).fold(1).checkpoint, search.test_parts / "1" / "0.npy"]
    for path in kept:
        write_whole(path, "whole")
        path.with_name(f".{path.name}.4711.tmp").write_text("ha")
    search.sweep()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_a_denoised_trial_is_none_of_the_search_s(tmp_path: Path) -> None:
    search = SearchFolder(tmp_path)
    numbers = [denoised_number(7, way) for way in ("drop", "relabel", "reweight")]
    assert numbers == [100_007, 200_007, 300_007]
    for number in (0, 7, DENOISED_FROM - 1, *numbers):
        save_json(search.trial(number).recipe, {})
    assert search.trial_numbers() == [0, 7, DENOISED_FROM - 1]
