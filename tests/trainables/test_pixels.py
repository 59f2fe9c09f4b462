import errno
import multiprocessing
import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from trainables.data import pixels
from trainables.data.pixels import PixelCache, pixels_folder, read_image, reader

GB = 10**9


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pixels, "_LEFT_FREE", 0.0)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three that differ, of 60 x 80 px."""
    (tmp_path / "data").mkdir()
    return [photo(tmp_path / "data" / f"{number}.png", number) for number in range(3)]


def photo(path: Path, number: int) -> Path:
    cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    return path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was decoded, in order."""
    paths: list[Path] = []
    monkeypatch.setattr(pixels, "read_image", lambda path: paths.append(path) or read_image(path))
    return paths


def assert_right(cache: PixelCache, photos: list[Path]) -> None:
    for path in photos:
        np.testing.assert_array_equal(cache.read(path), read_image(path))


def test_each_image_is_decoded_once_by_all_that_read_it(photos: list[Path], decoded: list[Path]) -> None:
    one, other = (PixelCache(photos[0].parent, 1) for _ in range(2))
    for cache in (one, other, one, PixelCache(photos[0].parent, 1)):
        assert_right(cache, photos)
    assert decoded == photos


def test_an_image_that_changed_is_decoded_again(photos: list[Path], decoded: list[Path]) -> None:
    one, other = (PixelCache(photos[0].parent, 1) for _ in range(2))
    assert_right(one, photos)
    assert_right(other, photos)
    photo(photos[1], 7)
    os.utime(photos[1], (1, 1))
    for cache in (one, other):
        assert_right(cache, photos)
    assert decoded == [*photos, photos[1]]


def test_what_has_no_room_is_decoded_each_time(photos: list[Path], decoded: list[Path]) -> None:
    cache = PixelCache(photos[0].parent, 2.5 * 60 * 80 * 3 / GB)
    for _ in range(2):
        assert_right(cache, photos)
    assert decoded == [*photos, photos[2]]
    (folder,) = pixels_folder().iterdir()
    assert (folder / "pixels").stat().st_size == 2 * 60 * 80 * 3


def test_what_is_kept_cannot_be_written_on(photos: list[Path]) -> None:
    cache = PixelCache(photos[0].parent, 1)
    cache.read(photos[0])
    with pytest.raises(ValueError, match="read-only"):
        cache.read(photos[0])[:] = 0


def _read_all(root: Path, paths: list[Path]) -> None:
    cache = PixelCache(root, 1)
    for path in paths:
        if not np.array_equal(cache.read(path), read_image(path)):
            os._exit(1)


def test_processes_that_fill_it_at_once_leave_each_image_once_or_more_and_whole(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    photos = [photo(tmp_path / "data" / f"{number}.png", number) for number in range(12)]
    own = PixelCache(tmp_path / "data", 1)
    assert_right(own, photos[:2])  # before the forks, which must not use its connections
    forks = multiprocessing.get_context("fork")
    readers = [forks.Process(target=_read_all, args=(tmp_path / "data", photos)) for _ in range(3)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert [each.exitcode for each in readers] == [0, 0, 0]
    assert_right(own, photos)
    assert len(PixelCache(tmp_path / "data", 1)._all_places()) == 12


def test_a_process_that_died_while_writing_leaves_nothing(photos: list[Path]) -> None:
    cache = PixelCache(photos[0].parent, 1)
    cache.read(photos[0])
    (folder,) = pixels_folder().iterdir()
    with (folder / "pixels").open("ab") as file:
        file.write(b"half an image")
    assert_right(cache, photos)
    assert_right(PixelCache(photos[0].parent, 1), photos)


def test_a_full_disk_is_a_note(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pixels.os, "pwrite", full)
    cache = PixelCache(photos[0].parent, 1)
    assert_right(cache, photos)
    assert capsys.readouterr().out.count("No space left on device") == 1


def test_a_damaged_table_is_a_note(photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    PixelCache(photos[0].parent, 1).read(photos[0])
    (folder,) = pixels_folder().iterdir()
    (folder / "places.sqlite").write_bytes(b"no table" * 1000)
    assert_right(PixelCache(photos[0].parent, 1), photos)
    assert "not a database" in capsys.readouterr().out


def test_the_last_of_a_disk_is_not_taken(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "_LEFT_FREE", 1.0)
    assert_right(PixelCache(photos[0].parent, 1), photos)
    (folder,) = pixels_folder().iterdir()
    assert (folder / "pixels").stat().st_size == 0


def test_folders_in_no_use_make_room(tmp_path: Path, photos: list[Path]) -> None:
    (tmp_path / "older").mkdir()
    older = photo(tmp_path / "older" / "0.png", 5)
    PixelCache(older.parent, 1).read(older)
    (unused,) = pixels_folder().iterdir()
    small = PixelCache(photos[0].parent, 1.5 * 60 * 80 * 3 / GB)
    assert_right(small, photos[:1])
    assert len(list(pixels_folder().iterdir())) == 2  # it is in use
    os.utime(unused, (time.time() - 10**6,) * 2)
    assert_right(PixelCache(photos[0].parent, 1.5 * 60 * 80 * 3 / GB), photos[:2])
    assert not unused.exists()


def test_a_restart_of_the_machine_ends_it(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    PixelCache(photos[0].parent, 1).read(photos[0])
    (before,) = pixels_folder().iterdir()
    monkeypatch.setattr(pixels, "_start", lambda: "another")
    PixelCache(photos[0].parent, 1).read(photos[0])
    (after,) = pixels_folder().iterdir()
    assert before != after


def test_what_a_machine_of_like_name_keeps_in_a_shared_home_stays(photos: list[Path]) -> None:
    other = pixels_folder().with_name(f"{pixels_folder().name}-2") / "another start-data"
    other.mkdir(parents=True)
    PixelCache(photos[0].parent, 1).read(photos[0])
    assert other.exists()


def test_small_files_are_decoded_each_time(tmp_path: Path, decoded: list[Path]) -> None:
    path = tmp_path / "digit.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    cache = PixelCache(tmp_path, 1)
    assert_right(cache, [path, path])
    assert decoded == [path, path]
    assert not pixels_folder().exists()


def test_an_image_that_cannot_be_decoded_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no image" * 1000)
    with pytest.raises(OSError, match=r"broken.jpg cannot be decoded"):
        PixelCache(tmp_path, 1).read(path)


def test_no_cache_is_plain_reading(tmp_path: Path) -> None:
    assert reader(tmp_path, 0.0) is read_image
    assert reader(tmp_path, 1.0) == reader(tmp_path, 1.0)
