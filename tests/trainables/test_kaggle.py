"""Bad data folders, each with the message that a user gets."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from search_spaces import InputError
from trainables.data.images import read_image
from trainables.data.kaggle import check_data, list_images, load_data


def cut_in_half(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)).save(path, "JPEG")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def add_row(root: Path, row: str) -> None:
    with (root / "train.csv").open("a") as table:
        table.write(row + "\n")


def link_out(root: Path) -> None:
    (root / "outside.png").write_bytes((root / "train_images/train_0.png").read_bytes())
    (root / "train_images/link.png").symlink_to(root / "outside.png")
    add_row(root, "link.png,0")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no train.csv": (lambda root: (root / "train.csv").unlink(), "lacks:\n  - train.csv"),
    "empty train.csv": (lambda root: (root / "train.csv").write_text(""), "cannot be read as CSV"),
    "no rows": (lambda root: (root / "train.csv").write_text("image_id,label\n"), "has no rows"),
    "no label column": (lambda root: (root / "train.csv").write_text("image_id\na.png\n"), "lacks the column label"),
    "a label outside the map": (lambda root: add_row(root, "train_0.jpg,7"), "label '7' of train_0.jpg is not in"),
    "a float label": (lambda root: add_row(root, "train_0.jpg,1.0"), "label '1.0'"),
    "a missing image": (
        lambda root: (root / "train_images/train_3.png").unlink(),
        "train_images/train_3.png is missing",
    ),
    "a missing test image": (
        lambda root: (root / "test_images/test_1.png").unlink(),
        "test_images/test_1.png is missing",
    ),
    "an image cut in half": (
        lambda root: cut_in_half(root / "train_images/train_2.png"),
        "train_2.png cannot be decoded",
    ),
    "text named as an image": (
        lambda root: (root / "train_images/train_2.png").write_text("not an image"),
        "train_2.png is not an image",
    ),
    "an empty image": (
        lambda root: (root / "train_images/train_2.png").write_bytes(b""),
        "train_2.png is not an image",
    ),
    "a duplicate id": (lambda root: add_row(root, "train_0.png,1"), "line 18: train_0.png stands in line 2 already"),
    "an id that leaves": (lambda root: add_row(root, "../train_images/train_0.png,1"), "must be a plain file name"),
    "an absolute id": (lambda root: add_row(root, "/etc/hostname,1"), "must be a plain file name"),
    "a link that leaves": (link_out, "link.png is a link that leaves the folder"),
    "a map with a gap": (
        lambda root: (root / "label_num_to_disease_map.json").write_text(json.dumps({"0": "a", "2": "b"})),
        "it lacks '1'",
    ),
    "a map that is no JSON": (lambda root: (root / "label_num_to_disease_map.json").write_text("{"), "must be a JSON"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_folder_is_refused(what: str, stripes: Path) -> None:
    damage, message = BAD[what]
    damage(stripes)
    with pytest.raises(InputError) as caught:
        check_data(stripes)
    assert message in str(caught.value)


def test_everything_wrong_is_listed_at_once(stripes: Path) -> None:
    add_row(stripes, "train_0.png,9")
    add_row(stripes, "../x.png,0")
    (stripes / "train_images/train_1.png").write_text("text")
    (stripes / "train_images/train_2.png").unlink()
    with pytest.raises(InputError) as caught:
        check_data(stripes)
    text = str(caught.value)
    for part in ("label '9'", "already", "plain file name", "train_1.png is not an image", "train_2.png is missing"):
        assert part in text


def test_a_good_folder_is_read_in_order(stripes: Path) -> None:
    data, contents = check_data(stripes)
    assert len(data.image_ids) == 16
    assert data.labels.tolist() == [0, 1] * 8
    assert data.classes == ("across", "down")
    assert data.test_ids == ("test_3.png", "test_2.png", "test_1.png", "test_0.png")
    assert data.sources is None
    assert load_data(stripes).image_ids == data.image_ids
    assert check_data(stripes)[1].hash == contents.hash
    assert contents.thumbnails.shape == (16, 32, 32)
    assert len(set(contents.digests)) == 16


def test_a_changed_pixel_changes_the_hash(stripes: Path) -> None:
    before = check_data(stripes)[1].hash
    path = stripes / "train_images/train_0.png"
    Image.new("RGB", (16, 16)).save(path)
    assert check_data(stripes)[1].hash != before


def test_source_is_optional(stripes: Path) -> None:
    lines = (stripes / "train.csv").read_text().splitlines()
    (stripes / "train.csv").write_text("\n".join([lines[0] + ",source", *(line + ",2020" for line in lines[1:])]))
    assert load_data(stripes).sources == ("2020",) * 16


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has none"):
        list_images(tmp_path)
    with pytest.raises(InputError, match="must be a folder"):
        list_images(tmp_path / "absent")


def _exif_rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (40, 24), "red").save(path, "JPEG", exif=exif)


def _jpeg() -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    return stream.getvalue()


JPEG = _jpeg()

UNUSUAL: dict[str, tuple[Callable[[Path], None], tuple[int, int]]] = {
    "cmyk.jpg": (lambda path: Image.new("CMYK", (40, 24)).save(path), (24, 40)),
    "grey.png": (lambda path: Image.new("L", (40, 24), 90).save(path), (24, 40)),
    "sixteen bits.png": (lambda path: Image.new("I;16", (40, 24), 30000).save(path), (24, 40)),
    "palette.png": (lambda path: Image.new("P", (40, 24), 3).save(path), (24, 40)),
    "transparent.webp": (lambda path: Image.new("RGBA", (40, 24)).save(path), (24, 40)),
    "one bit.tiff": (lambda path: Image.new("1", (40, 24)).save(path), (24, 40)),
    "turned.jpg": (_exif_rotated, (40, 24)),
    "Blätter 葉.bmp": (lambda path: Image.new("RGB", (40, 24)).save(path), (24, 40)),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_images_are_read_as_any_other(name: str, stripes: Path) -> None:
    write, shape = UNUSUAL[name]
    write(stripes / "train_images" / name)
    with (stripes / "train.csv").open("a") as table:
        table.write(f"{name},1\n")
    data, _ = check_data(stripes)
    image = read_image(data.train_paths[-1])
    assert (image.shape, image.dtype) == ((*shape, 3), np.uint8)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.write_bytes(b""), "is not an image"),
        (lambda path: path.write_text("<svg/>"), "is not an image"),
        (lambda path: Image.new("RGB", (40, 24)).save(path, "PCX"), "is not an image"),  # Pillow alone reads it
        (lambda path: Image.new("RGB", (40, 24)).save(path, "GIF"), "is not an image"),
        (lambda path: path.write_bytes(JPEG[: len(JPEG) // 2]), "cannot be decoded"),
        (lambda path: Image.new("1", (20000, 20000)).save(path, "PNG"), "cannot be decoded: .* decompression bomb"),
        (lambda path: path.mkdir(), "is missing"),
    ],
)
def test_what_is_no_image_is_refused_before_anything_is_trained(
    write: Callable[[Path], None], said: str, stripes: Path
) -> None:
    path = stripes / "train_images" / "train_3.png"
    path.unlink()
    write(path)
    with pytest.raises(InputError, match=rf"train_images/train_3\.png {said}"):
        check_data(stripes)
