"""The Kaggle layout, read and checked: every problem is found before the first trial and listed at once.

train.csv                         image_id,label and optionally source, and label_0 .. label_K-1: shares to train on
train_images/  test_images/
label_num_to_disease_map.json     {"0": "name", ...} for 0 .. K-1
sample_submission.csv             the test images and the order of the answer
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from search_spaces.errors import InputError, shortened
from search_spaces.kinds import ALL_SOURCES
from trainables.data.duplicates import thumbnail
from trainables.data.shares import share_problems, shares_of

TRAIN_CSV = "train.csv"
TRAIN_IMAGES = "train_images"
TEST_IMAGES = "test_images"
LABEL_MAP = "label_num_to_disease_map.json"
SAMPLE = "sample_submission.csv"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

_CHECK_THREADS = 8
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
"""What both Pillow, which checks images, and OpenCV, which reads them, can decode."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """A checked data folder: N labelled images of K classes, and the test images."""

    root: Path
    image_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    """(N,), as given, maybe wrong."""
    sources: tuple[str, ...] | None
    """(N,), where train.csv has a `source` column."""
    test_ids: tuple[str, ...]
    classes: tuple[str, ...]
    """(K,) names."""
    shares: NDArray[np.float32] | None = None
    """(N, K) that sum to 1, where train.csv has them: trained on in place of `labels`, which all else goes by."""

    def trains_on(self, sources: str) -> NDArray[np.bool_]:
        """(N,): whether a row is of one of a recipe's sources. Raises `InputError` where there is no such source."""
        if sources == ALL_SOURCES:
            return np.ones(len(self.labels), np.bool_)
        names = [name.strip() for name in sources.split(",")]
        check_sources("sources", names, self.sources)
        return np.isin(np.array(self.sources), names)

    @property
    def train_paths(self) -> list[Path]:
        return [self.root / TRAIN_IMAGES / image_id for image_id in self.image_ids]

    @property
    def test_paths(self) -> list[Path]:
        return [self.root / TEST_IMAGES / image_id for image_id in self.test_ids]


def load_data(root: Path) -> ImageData:
    """Read the tables of a data folder, without opening its images. Raises `InputError` with all that is wrong."""
    tables = _read_tables(root)
    return _data_of(tables, tables.problems)


@dataclass(frozen=True, eq=False)
class Contents:
    """What decoding every image of a data folder showed."""

    hash: str
    """Of the tables and of all images' bytes."""
    digests: tuple[bytes, ...]
    """(N,), of the training images' bytes."""
    thumbnails: NDArray[np.uint8]
    """(N, 32, 32), of the training images, grey."""


def check_data(
    root: Path, on_image: Callable[[int, int], object] = lambda done, total: None
) -> tuple[ImageData, Contents]:
    """Read the tables and decode every image, once, before a search begins.

    Raises `InputError` with everything that is wrong.
    """
    tables = _read_tables(root)
    problems, seen = check_images(tables.usable_paths(), on_image)
    data = _data_of(tables, [*tables.problems, *problems])
    digest = hashlib.sha256("\n".join((*data.image_ids, *map(str, data.labels), *data.test_ids)).encode())
    if data.shares is not None:
        digest.update(data.shares.tobytes())
    for each in seen:
        digest.update(each.digest)
    training = seen[: len(data.image_ids)]
    contents = Contents(
        digest.hexdigest()[:16],
        tuple(each.digest for each in training),
        np.stack([each.thumbnail for each in training]),
    )
    return data, contents


@dataclass(frozen=True, eq=False)
class _Tables:
    """What the files of a data folder say, as far as they can be read, and what is wrong with it."""

    root: Path
    classes: tuple[str, ...]
    train: pd.DataFrame | None
    sample: pd.DataFrame | None
    problems: list[str]

    def usable_paths(self) -> list[Path]:
        """The images that are there, inside their folders, each once."""
        paths: list[Path] = []
        for table, folder in ((self.train, self.root / TRAIN_IMAGES), (self.sample, self.root / TEST_IMAGES)):
            ids = [] if table is None else list(dict.fromkeys(table["image_id"]))
            paths += [folder / image_id for image_id in ids if id_problem(image_id, folder) is None]
        return paths


def _read_tables(root: Path) -> _Tables:
    root = root.resolve()
    names = (TRAIN_CSV, TRAIN_IMAGES, TEST_IMAGES, LABEL_MAP, SAMPLE)
    missing = [name for name in names if not (root / name).exists()]
    if missing:
        raise InputError(f"A data folder needs {', '.join(names)}; {root} lacks:", missing)
    problems: list[str] = []
    classes = _read_classes(root, problems)
    train = _read_table(root / TRAIN_CSV, ("image_id", "label"), problems)
    sample = _read_table(root / SAMPLE, ("image_id", "label"), problems)
    if train is not None:
        problems += _label_problems(train, len(classes)) if classes else ()
        problems += share_problems(train, len(classes)) if classes else ()
        problems += _id_problems(train["image_id"], root / TRAIN_IMAGES, TRAIN_CSV)
    if sample is not None:
        problems += _id_problems(sample["image_id"], root / TEST_IMAGES, SAMPLE)
    return _Tables(root, classes, train, sample, problems)


def _data_of(tables: _Tables, problems: list[str]) -> ImageData:
    train, sample = tables.train, tables.sample
    if problems or train is None or sample is None:
        raise InputError(f"The data folder {tables.root} has {len(problems)} problems:", shortened(problems))
    return ImageData(
        root=tables.root,
        image_ids=tuple(train["image_id"]),
        labels=train["label"].to_numpy(np.int64),
        sources=tuple(train["source"]) if "source" in train else None,
        test_ids=tuple(sample["image_id"]),
        classes=tables.classes,
        shares=shares_of(train, len(tables.classes)),
    )


def _read_table(path: Path, columns: tuple[str, ...], problems: list[str]) -> pd.DataFrame | None:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError, OSError) as error:
        problems.append(f"{path.name} cannot be read as CSV: {error}")
        return None
    lacking = [column for column in columns if column not in table]
    if lacking or table.empty:
        what = f"lacks the column {', '.join(lacking)}" if lacking else "has no rows"
        problems.append(f"{path.name} {what}; its columns are {', '.join(map(str, table.columns))}")
        return None
    return table


def _read_classes(root: Path, problems: list[str]) -> tuple[str, ...]:
    try:
        names: dict[str, Any] = json.loads((root / LABEL_MAP).read_text())
        return tuple(str(names[str(number)]) for number in range(len(names)))
    except (ValueError, AttributeError, TypeError):
        problems.append(f"{LABEL_MAP} must be a JSON object of label numbers and names")
    except KeyError as error:
        problems.append(f"{LABEL_MAP} must name every label from 0 on; it lacks {error}")
    return ()


def _label_problems(train: pd.DataFrame, n_classes: int) -> Iterator[str]:
    known = {str(number) for number in range(n_classes)}
    for row, (image_id, label) in enumerate(zip(train["image_id"], train["label"], strict=True), start=2):
        if label not in known:
            yield f"{TRAIN_CSV} line {row}: label {label!r} of {image_id} is not in {LABEL_MAP} (0 to {n_classes - 1})"


def check_sources(flag: str, names: Sequence[str], sources: Sequence[str] | None) -> None:
    """Refuse names that are no source of train.csv."""
    known = sorted(set(sources or ()))
    unknown = [name for name in names if name not in known or not name]
    if unknown:
        has = ", ".join(known) or "no column `source`"
        raise InputError(f"{flag} must name sources of train.csv, which has {has}; it does not have:", unknown)


def is_plain_name(image_id: str) -> bool:
    """Whether it is the name of a file and no path."""
    return bool(image_id) and PurePosixPath(image_id).name == image_id and "\\" not in image_id


def id_problem(image_id: str, folder: Path) -> str | None:
    """Why an image of a folder cannot be used: its name, its absence, or a link that leaves the folder."""
    if not is_plain_name(image_id):
        return f"image_id must be a plain file name of {folder.name}/, got {image_id!r}"
    if not (folder / image_id).is_file():
        return f"{folder.name}/{image_id} is missing"
    if not (folder / image_id).resolve().is_relative_to(folder.resolve()):
        return f"{folder.name}/{image_id} is a link that leaves the folder"
    return None


def _id_problems(ids: pd.Series, folder: Path, table: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for row, image_id in enumerate(ids, start=2):
        if image_id in seen:
            yield f"{table} line {row}: {image_id} stands in line {seen[image_id]} already"
            continue
        seen[image_id] = row
        problem = id_problem(image_id, folder)
        if problem:
            yield f"{table} line {row}: {problem}"


@dataclass(frozen=True, eq=False)
class SeenImage:
    """An image that can be decoded."""

    digest: bytes
    thumbnail: NDArray[np.uint8]


def see_image(path: Path) -> SeenImage | str:
    """Decode an image whole, at the smallest scale that its format offers; or why it cannot be used."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            image.draft("RGB", (64, 64))
            image.load()
            return SeenImage(hashlib.sha256(path.read_bytes()).digest(), thumbnail(image))
    except UnidentifiedImageError:
        return f"{path.parent.name}/{path.name} is not an image ({', '.join(_FORMATS)})"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"{path.parent.name}/{path.name} cannot be decoded: {error}"


def check_images(paths: list[Path], on_image: Callable[[int, int], object]) -> tuple[list[str], list[SeenImage]]:
    """Decode every image once: what is wrong with which, and what was seen of the others, in order."""
    problems: list[str] = []
    seen: list[SeenImage] = []
    with ThreadPoolExecutor(_CHECK_THREADS) as pool:
        for done, result in enumerate(pool.map(see_image, paths), start=1):
            on_image(done, len(paths))
            if isinstance(result, str):
                problems.append(result)
            else:
                seen.append(result)
    return problems, seen


def list_images(folder: Path) -> list[Path]:
    """The images of a folder by name. Raises `InputError` where there is none."""
    if not folder.is_dir():
        raise InputError(f"--images must be a folder of images; got {str(folder)!r}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise InputError(f"--images must hold images ({', '.join(IMAGE_SUFFIXES)}); {folder} has none")
    return paths
