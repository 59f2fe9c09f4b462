"""Duplicates that are made here, so that the truth is known."""

import hashlib
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from search_spaces import InputError
from trainables.data import duplicates
from trainables.data.duplicates import duplicate_groups, groups_csv, perceptual_hashes, read_groups, thumbnail


def photo(seed: int, size: int = 96) -> np.ndarray:
    """Smooth blobs, as different from one seed to another as photos are."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)


def seen(images: list[np.ndarray]) -> tuple[np.ndarray, list[bytes]]:
    thumbnails = np.stack([thumbnail(Image.fromarray(image)) for image in images])
    return thumbnails, [hashlib.sha256(image.tobytes()).digest() for image in images]


def changed(image: np.ndarray) -> dict[str, np.ndarray]:
    ok, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])
    assert ok
    noise = np.random.default_rng(1).integers(-6, 6, image.shape)
    return {
        "recompressed": cv2.imdecode(coded, cv2.IMREAD_COLOR),
        "smaller": cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA),
        "darker": (image * 0.7).astype(np.uint8),
        "noisier": np.clip(image + noise, 0, 255).astype(np.uint8),
        "moved by a pixel": np.roll(image, 1, axis=1),
    }


@pytest.mark.parametrize("how", list(changed(photo(0))))
def test_the_same_photo_is_found_again(how: str) -> None:
    images = [photo(0), photo(1), photo(2), changed(photo(1))[how]]
    assert duplicate_groups(*seen(images)).tolist() == [0, 1, 2, 1]


def test_different_photos_are_not_taken_for_one() -> None:
    groups = duplicate_groups(*seen([photo(seed) for seed in range(200)]))
    assert len(set(groups)) == 200


def test_equal_bytes_are_found_where_a_thumbnail_shows_nothing() -> None:
    blank = np.zeros((40, 40, 3), dtype=np.uint8)
    assert duplicate_groups(*seen([blank, photo(0), blank])).tolist() == [0, 1, 0]


def test_groups_are_what_is_connected() -> None:
    thumbnails, digests = seen([photo(0), photo(0), photo(1), photo(0)])
    assert duplicate_groups(thumbnails, [b"a", b"b", b"b", digests[3]]).tolist() == [0, 0, 0, 0]


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [photo(seed % 5) for seed in range(12)]
    whole = duplicate_groups(*seen(images))
    monkeypatch.setattr("trainables.data.duplicates._BLOCK", 5)
    assert duplicate_groups(*seen(images)).tolist() == whole.tolist()


def test_pairs_of_alike_hashes_come_in_parts_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    parts = list(duplicates._pairs_of_near_hashes(np.zeros(30, np.uint64)))
    assert max(map(len, parts)) == 7
    assert sorted(map(tuple, np.concatenate(parts).tolist())) == list(combinations(range(30), 2))


def test_a_hash_has_64_bits_and_ignores_brightness() -> None:
    image = thumbnail(Image.fromarray(photo(3)))
    one, other = perceptual_hashes(np.stack([image, (image * 0.5).astype(np.uint8)]))
    assert one.dtype == np.uint64
    assert np.bitwise_count(one ^ other) <= 4


def test_groups_are_written_and_read_back(tmp_path: Path) -> None:
    ids = ["a.png", "b.png", "c.png", "d.png"]
    groups = np.array([0, 1, 0, 2])
    (tmp_path / "groups.csv").write_text(groups_csv(groups, ids))
    assert (tmp_path / "groups.csv").read_text() == "image_id,group\na.png,0\nc.png,0\n"
    assert read_groups(tmp_path / "groups.csv", ids).tolist() == groups.tolist()


def test_a_table_of_groups_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    with pytest.raises(InputError, match="--groups must be a CSV"):
        read_groups(table, ["a.png"])
    table.write_text("image_id,cluster\na.png,0\n")
    with pytest.raises(InputError, match="--groups must be a CSV"):
        read_groups(table, ["a.png"])
    table.write_text("image_id,group\na.png,0\nz.png,0\n")
    with pytest.raises(InputError, match=r"does not have \(1\):\n  - z\.png"):
        read_groups(table, ["a.png"])
