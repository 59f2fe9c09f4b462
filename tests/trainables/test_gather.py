"""Several sources in one folder; TFRecords read as the rows that they are, image for image."""

import json
import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from search_spaces import InputError
from trainables.data.gather import gather, main
from trainables.data.images import read_image
from trainables.data.kaggle import check_data, load_data
from trainables.data.tfrecords import masked_crc, read_tfrecords


def varint(number: int) -> bytes:
    """Protobuf's wire format by hand, so that the reader is not tested with itself."""
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def example(**features: bytes | int) -> bytes:
    entries = b""
    for name, value in features.items():
        packed = field(1, value) if isinstance(value, bytes) else field(1, varint(value))
        feature = field(1 if isinstance(value, bytes) else 3, packed)
        entries += field(1, field(1, name.encode()) + field(2, feature))
    return field(1, entries)


def record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + masked_crc(length) + content + masked_crc(content)


def write_tfrecords(root: Path) -> None:
    """The folder's images as TFRecords, in two files of train and one of test, in place of the folders."""
    train = pd.read_csv(root / "train.csv")
    rows = [
        example(image=(root / "train_images" / name).read_bytes(), image_name=name.encode(), target=int(label))
        for name, label in zip(train["image_id"], train["label"], strict=True)
    ]
    tests = [
        example(image=path.read_bytes(), image_name=path.name.encode())
        for path in sorted((root / "test_images").iterdir())
    ]
    for folder, parts in (("train", [rows[:10], rows[10:]]), ("test", [tests])):
        (root / f"{folder}_tfrecords").mkdir()
        for number, part in enumerate(parts):
            (root / f"{folder}_tfrecords" / f"ld_{folder}{number:02d}.tfrec").write_bytes(b"".join(map(record, part)))
        shutil.rmtree(root / f"{folder}_images")


def test_the_checksum_is_crc32c() -> None:
    """The check value of RFC 3720, B.4, unmasked: 32 bytes of zero are 0x8a9136aa."""
    masked = struct.unpack("<I", masked_crc(bytes(32)))[0]
    turned = (masked - 0xA282EAD8) & 0xFFFFFFFF
    assert (turned << 15 | turned >> 17) & 0xFFFFFFFF == 0x8A9136AA


def test_tfrecords_are_the_same_rows_image_for_image(stripes: Path, tmp_path: Path) -> None:
    copied = tmp_path / "records"
    shutil.copytree(stripes, copied)
    write_tfrecords(copied)
    assert gather({"2020": copied}, tmp_path / "out") == 16
    wanted, got = load_data(stripes), check_data(tmp_path / "out")[0]
    assert (got.image_ids, got.labels.tolist(), got.test_ids) == (
        wanted.image_ids,
        wanted.labels.tolist(),
        wanted.test_ids,
    )
    for a, b in zip(wanted.train_paths + wanted.test_paths, got.train_paths + got.test_paths, strict=True):
        assert a.read_bytes() == b.read_bytes()
        np.testing.assert_array_equal(read_image(a), read_image(b))


@pytest.mark.parametrize("harm", ["cut", "flipped", "no image", "no example"])
def test_a_file_that_is_no_tfrecord_is_refused(harm: str, tmp_path: Path) -> None:
    whole = record(example(image=b"a" * 50, image_name=b"a.jpg", target=3))
    path = tmp_path / "a.tfrec"
    path.write_bytes(whole)
    assert [(r.image_id, r.content, r.label) for r in read_tfrecords(path)] == [("a.jpg", b"a" * 50, 3)]
    path.write_bytes(
        {
            "cut": whole[:-9],
            "flipped": whole.replace(b"aaa.", b"aab.").replace(b"aaaaa", b"aabaa", 1),
            "no image": record(example(image_name=b"a.jpg")),
            "no example": record(b"\xff\xff\xff"),
        }[harm]
    )
    with pytest.raises(InputError, match=r"torn|must have one `image`|no tf\.train\.Example"):
        list(read_tfrecords(path))


@pytest.fixture
def of_2019(tmp_path: Path) -> Path:
    """A folder for each class, one by its abbreviation; one name is of the other source too."""
    for name, folder in (("x.png", "acr"), ("train_0.png", "Down")):
        path = tmp_path / "2019" / "train" / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((24, 24, 3), 90, np.uint8))
    return tmp_path / "2019"


@pytest.fixture
def of_2020(stripes: Path) -> Path:
    (stripes / "label_num_to_disease_map.json").write_text(json.dumps({"0": "Stripes Across (ACR)", "1": "down"}))
    return stripes


def test_a_folder_for_each_class_stands_beside(of_2019: Path, of_2020: Path, tmp_path: Path) -> None:
    out = tmp_path / "both"
    assert main(["--out", str(out), f"2020={of_2020}", f"2019={of_2019}"]) == 0
    data = check_data(out)[0]
    assert data.sources == ("2020",) * 16 + ("2019",) * 2
    assert list(zip(data.image_ids, data.labels.tolist(), strict=True))[16:] == [("2019_train_0.png", 1), ("x.png", 0)]
    assert data.trains_on("2020").sum() == 16
    assert data.trains_on("all").sum() == data.trains_on("2019, 2020").sum() == 18
    with pytest.raises(InputError, match="has 2019, 2020; it does not have:\n  - 2018"):
        data.trains_on("2018")


def test_what_cannot_be_gathered_is_refused(
    of_2019: Path, of_2020: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (of_2019 / "train" / "dwon").mkdir()
    for sources, said in (
        ([f"2020={of_2020}", f"2019={of_2019}"], "its folders are:\n  - dwon"),
        ([f"2019={of_2019}"], "must be in the Kaggle layout"),
        ([str(of_2020)], "Sources are NAME=DIR"),
    ):
        assert main(["--out", str(tmp_path / "out"), *sources]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["--out", str(of_2020), f"2020={of_2020}"]) == 2
    assert "must be a new folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../out_of_it.png", "/tmp/train_images/elsewhere.png", ""])
def test_no_name_leads_out_of_the_folder(name: str, stripes: Path, tmp_path: Path) -> None:
    table = (stripes / "train.csv").read_text()
    (stripes / "train.csv").write_text(f"{table}{name},1\n")
    with pytest.raises(InputError, match="must be a plain file name"):
        gather({"a": stripes}, tmp_path / "out")
    (stripes / "train.csv").write_text(table)
    write_tfrecords(stripes)
    more = record(example(image=b"x", image_name=name.encode(), target=1))
    (stripes / "train_tfrecords" / "more.tfrec").write_bytes(more)
    with pytest.raises(InputError, match="must be a plain file name"):
        gather({"a": stripes}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_everything_that_is_wrong_is_said_at_once(stripes: Path, tmp_path: Path) -> None:
    (stripes / "train_images/train_3.png").unlink()
    (stripes / "test_images/test_1.png").unlink()
    (stripes / "train_images/train_5.png").unlink()
    (stripes / "train_images/train_5.png").symlink_to("/etc/hostname")
    with pytest.raises(InputError) as caught:
        gather({"a": stripes}, tmp_path / "out")
    assert [problem.split(" ", 1)[-1] for problem in caught.value.problems] == [
        "train_images/train_3.png is missing",
        "train_images/train_5.png is a link that leaves the folder",
        "is missing",
    ]


def test_shares_are_columns(stripes: Path) -> None:
    table = pd.read_csv(stripes / "train.csv")
    assert load_data(stripes).shares is None
    table["label_1"] = 0.25
    table.to_csv(stripes / "train.csv", index=False)
    with pytest.raises(InputError, match="of every class or of none; it lacks label_0"):
        load_data(stripes)
    table["label_0"] = 0.75
    table.to_csv(stripes / "train.csv", index=False)
    data, contents = check_data(stripes)
    assert data.shares is not None
    np.testing.assert_allclose(data.shares, np.tile([0.75, 0.25], (16, 1)))
    table.loc[3, "label_0"] = 0.5
    table.loc[4, "label_0"] = -0.75
    table.to_csv(stripes / "train.csv", index=False)
    with pytest.raises(InputError, match=r"line 5: shares must .* got 0.5, 0.25\n.*line 6"):
        load_data(stripes)
    table["label_0"], table["label_1"] = 0.5, 0.5
    table.to_csv(stripes / "train.csv", index=False)
    assert check_data(stripes)[1].hash != contents.hash
