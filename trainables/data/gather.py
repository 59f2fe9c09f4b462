"""One folder in the Kaggle layout out of several, each a source: the photos of 2019 beside those of 2020.

python -m trainables.data.gather --out FOLDER 2020=DIR 2019=DIR

The first DIR is in the Kaggle layout, and has the classes, the test images and the sample submission. Its images may
be TFRecords (`train_tfrecords/`, `test_tfrecords/`) in place of folders. Of every further one only labelled images are
taken: the Kaggle layout, TFRecords, or a folder for each class (as the competition of 2019 had it, under `train/` or
by itself), named as the class is or as its abbreviation in brackets: `cbb` is "Cassava Bacterial Blight (CBB)".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from search_spaces.errors import InputError, shortened
from trainables.bar import bar
from trainables.data.kaggle import (
    IMAGE_SUFFIXES,
    LABEL_MAP,
    SAMPLE,
    TEST_IMAGES,
    TRAIN_CSV,
    TRAIN_IMAGES,
)
from trainables.data.names import id_problem, is_plain_name
from trainables.data.tfrecords import Record, read_tfrecords

TRAIN_RECORDS, TEST_RECORDS = "train_tfrecords", "test_tfrecords"


@dataclass(frozen=True)
class Image:
    """An image where it is, and what is known of it."""

    image_id: str
    label: str
    """As its source gives it, empty for a test image."""
    where: Path | bytes
    """Its folder, or its content."""


def gather(
    sources: dict[str, Path], out: Path, on_image: Callable[[int, int], object] = lambda done, total: None
) -> int:
    """Write `out`, which must be new; returns the number of labelled images. Raises `InputError`.

    Names that stand in two sources get the source in front, in all but the first. Files are linked where the file
    system can, else copied.
    """
    first = next(iter(sources.values()))
    if out.exists():
        raise InputError(f"--out must be a new folder, {out} is there already")
    classes = _classes(first)
    total = _check(sources, classes)
    rows: dict[str, tuple[str, str]] = {}
    for name, folder in sources.items():
        for image in labelled_images(folder, classes):
            image_id = f"{name}_{image.image_id}" if image.image_id in rows else image.image_id
            _put(image, out / TRAIN_IMAGES / image_id)
            rows[image_id] = (image.label, name)
            on_image(len(rows), total)
    for number, image in enumerate(_test_images(first), start=len(rows) + 1):
        _put(image, out / TEST_IMAGES / image.image_id)
        on_image(number, total)
    table = pd.DataFrame([(image_id, *of) for image_id, of in rows.items()], columns=["image_id", "label", "source"])
    table.to_csv(out / TRAIN_CSV, index=False)
    for file in (LABEL_MAP, SAMPLE):
        shutil.copyfile(first / file, out / file)
    return len(rows)


def _check(sources: dict[str, Path], classes: dict[str, str]) -> int:
    """The number of images, once nothing is wrong with any. None is kept: together they may not fit in memory."""
    problems: list[str] = []
    total = 0
    for name, folder in sources.items():
        before = total
        for image in labelled_images(folder, classes):
            total += 1
            problem = _problem(image) or ("" if image.label else f"{image.image_id} has no label")
            problems += [f"{name}: {problem}"] if problem else []
        if total == before:
            problems.append(f"{name}: {folder} has no labelled images")
    for image in _test_images(next(iter(sources.values()))):
        total += 1
        problems += filter(None, [_problem(image)])
    if problems:
        raise InputError("Every image must be there and have a label:", shortened(problems))
    return total


def _problem(image: Image) -> str | None:
    if isinstance(image.where, Path):
        return id_problem(image.image_id, image.where)
    return None if is_plain_name(image.image_id) else f"image_name must be a plain file name, got {image.image_id!r}"


def labelled_images(folder: Path, classes: dict[str, str]) -> Iterator[Image]:
    """The labelled images of a source, whatever its layout. `classes` are the names of folders and their labels."""
    if (folder / TRAIN_RECORDS).is_dir() and not (folder / TRAIN_IMAGES).is_dir():
        yield from (_of_record(record) for record in _records(folder / TRAIN_RECORDS))
    elif (folder / TRAIN_CSV).is_file():
        table = pd.read_csv(folder / TRAIN_CSV, dtype=str, keep_default_na=False)
        for image_id, label in zip(table["image_id"], table["label"], strict=True):
            yield Image(image_id, label, folder / TRAIN_IMAGES)
    else:
        yield from _in_class_folders(folder / "train" if (folder / "train").is_dir() else folder, classes)


def _in_class_folders(folder: Path, classes: dict[str, str]) -> Iterator[Image]:
    found = sorted(path for path in folder.glob("*") if path.is_dir())
    unknown = [path.name for path in found if path.name.lower() not in classes]
    if unknown or not found:
        raise InputError(
            f"{folder} is neither in the Kaggle layout, nor TFRecords, nor has it a folder for each class "
            f"({', '.join(classes)}); its folders are:",
            unknown or ["none"],
        )
    for path in found:
        for image in sorted(each for each in path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES):
            yield Image(image.name, classes[path.name.lower()], path)


def _test_images(folder: Path) -> Iterator[Image]:
    if (folder / TEST_RECORDS).is_dir() and not (folder / TEST_IMAGES).is_dir():
        yield from (_of_record(record) for record in _records(folder / TEST_RECORDS))
        return
    for image_id in pd.read_csv(folder / SAMPLE, dtype=str)["image_id"]:
        yield Image(image_id, "", folder / TEST_IMAGES)


def _records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.tfrec*")):
        yield from read_tfrecords(path)


def _of_record(record: Record) -> Image:
    return Image(record.image_id, "" if record.label is None else str(record.label), record.content)


def _classes(folder: Path) -> dict[str, str]:
    """Labels by class name and by its abbreviation in brackets, in small letters."""
    lacking = [name for name in (LABEL_MAP, SAMPLE) if not (folder / name).is_file()]
    if lacking:
        raise InputError(f"The first folder must be in the Kaggle layout; {folder} lacks:", lacking)
    names: dict[str, str] = json.loads((folder / LABEL_MAP).read_text())
    short = {found[1]: label for label, name in names.items() if (found := re.search(r"\((\w+)\)", name))}
    return {name.lower(): label for name, label in [*((name, label) for label, name in names.items()), *short.items()]}


def _put(image: Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image.where, bytes):
        path.write_bytes(image.where)
        return
    file = (image.where / image.image_id).resolve()
    try:
        os.link(file, path)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, path)


def main(arguments: list[str] | None = None) -> int:
    """The command; exit code 2 where a source cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m trainables.data.gather", description=str(__doc__).splitlines()[0])
    parser.add_argument("sources", nargs="+", metavar="NAME=DIR", help="the first in the Kaggle layout")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    flags = parser.parse_args(arguments)
    try:
        malformed = [word for word in flags.sources if not all(word.partition("="))]
        if malformed:
            raise InputError("Sources are NAME=DIR, as in 2019=cassava2019; got:", malformed)
        sources = {name: Path(folder) for name, _, folder in (word.partition("=") for word in flags.sources)}
        with bar("gathering images", False) as update:
            count = gather(sources, flags.out, update)
    except (InputError, OSError, ValueError) as error:
        print(f"trainables.data.gather: {error}", file=sys.stderr)
        return 2
    print(f"{flags.out}: {count} labelled images of {', '.join(sources)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
