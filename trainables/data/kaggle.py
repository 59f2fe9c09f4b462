"""The Kaggle layout, read and checked: every problem is found before the first trial and listed at once.

The tables come first, in seconds; images are looked at once nothing is wrong with them.

train.csv                         image_id,label and optionally source, and label_0 .. label_K-1: shares to train on
train_images/  test_images/
label_num_to_disease_map.json     {"0": "name", ...} for 0 .. K-1
sample_submission.csv             the test images and the order of the answer
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces.errors import InputError, counted, shortened
from search_spaces.kinds import ALL_SOURCES
from trainables.data.decoding import SeenImage, see_images
from trainables.data.names import LEAVES, file_problem, name_problem
from trainables.data.shares import share_problems, shares_of
from trainables.data.skipped import MOST_SKIPPED, Skipped

TRAIN_CSV = "train.csv"
TRAIN_IMAGES = "train_images"
TEST_IMAGES = "test_images"
LABEL_MAP = "label_num_to_disease_map.json"
SAMPLE = "sample_submission.csv"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


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
    skipped: tuple[Skipped, ...] = ()
    """Images that cannot be used: training ones are not among `image_ids`, test ones are among `test_ids`."""

    def without(self, skipped: Sequence[Skipped]) -> ImageData:
        """The same data without the training images that are skipped."""
        left_out = {each.image_id for each in skipped if each.folder == TRAIN_IMAGES}
        rows = [row for row, image_id in enumerate(self.image_ids) if image_id not in left_out]
        return replace(self.at(rows), skipped=tuple(skipped))

    def at(self, rows: Sequence[int] | NDArray[np.integer]) -> ImageData:
        """The same data with these training images alone, in this order."""
        return replace(
            self,
            image_ids=tuple(self.image_ids[row] for row in rows),
            labels=self.labels[rows],
            sources=None if self.sources is None else tuple(self.sources[row] for row in rows),
            shares=None if self.shares is None else self.shares[rows],
        )

    @property
    def readable_tests(self) -> NDArray[np.bool_]:
        """(n,): false for test images that are skipped; what is said of them is the prior, `class_shares`."""
        unreadable = [each.image_id for each in self.skipped if each.folder == TEST_IMAGES]
        return ~np.isin(np.array(self.test_ids), unreadable)

    @property
    def class_shares(self) -> NDArray[np.float64]:
        """(K,): how common each class is among the training labels."""
        shares: NDArray[np.float64] = np.bincount(self.labels, minlength=len(self.classes)) / len(self.labels)
        return shares

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


def load_data(root: Path, skipped: Sequence[Skipped] = ()) -> ImageData:
    """Read the tables of a data folder, without looking for its images; `skipped` ones are left out.

    Raises `InputError` with all that is wrong.
    """
    return _read_tables(root).without(skipped)


@dataclass(frozen=True, eq=False)
class Contents:
    """What decoding every image of a data folder showed."""

    hash: str
    """Of the tables and of all images' bytes."""
    digests: tuple[bytes, ...]
    """(N,), of the training images' bytes."""
    thumbnails: NDArray[np.uint8]
    """(N, 32, 32), of the training images, grey."""


def write_tables(
    root: Path, names: Sequence[str], labels: NDArray[np.int64], test_names: Sequence[str], classes: Sequence[str]
) -> None:
    """The layout's tables and class names, in a folder that is there; the sample answers 0."""
    pd.DataFrame({"image_id": names, "label": labels}).to_csv(root / TRAIN_CSV, index=False)
    pd.DataFrame({"image_id": test_names, "label": 0}).to_csv(root / SAMPLE, index=False)
    (root / LABEL_MAP).write_text(json.dumps({str(label): name for label, name in enumerate(classes)}))


def check_data(
    root: Path, on_image: Callable[[int, int], object] = lambda done, total: None, skip_bad: bool = False
) -> tuple[ImageData, Contents]:
    """Read the tables, and then decode every image, once, before a search begins.

    Raises `InputError` with everything that is wrong with the tables, which takes no long look, or else with every
    image that cannot be used. With `skip_bad` those are left out (`ImageData.skipped`), unless they are too many.
    """
    whole = _read_tables(root)
    found = _see(whole, on_image)
    skipped = [each for each in found if isinstance(each, Skipped)]
    _check_skipped(whole, skipped, skip_bad)
    data = whole.without(skipped)
    seen = [each for each in found if isinstance(each, SeenImage)]
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


def _see(data: ImageData, on_image: Callable[[int, int], object]) -> list[SeenImage | Skipped]:
    """Every training image and then every test image, decoded, or why it cannot be used."""
    paths = [*data.train_paths, *data.test_paths]
    problems = [file_problem(path) for path in paths]
    seen = iter(see_images([path for path, problem in zip(paths, problems, strict=True) if not problem], on_image))
    found = [problem or next(seen) for problem in problems]
    return [
        Skipped(path.name, path.parent.name, each) if isinstance(each, str) else each
        for path, each in zip(paths, found, strict=True)
    ]


def _check_skipped(data: ImageData, bad: Sequence[Skipped], skip_bad: bool) -> None:
    """Refuse images that cannot be used, or, where they may be skipped, links that leave and too many bad ones."""
    refused = [str(each) for each in bad if not skip_bad or each.reason == LEAVES]
    if refused:
        hint = "" if skip_bad else " (search.py --bad-images skip goes on without bad images)"
        raise InputError(f"The data folder {data.root} has {counted(refused)}{hint}:", shortened(refused))
    for folder, total in ((TRAIN_IMAGES, len(data.image_ids)), (TEST_IMAGES, len(data.test_ids))):
        here = [str(each) for each in bad if each.folder == folder]
        if len(here) > MOST_SKIPPED * total:
            raise InputError(
                f"--bad-images skip: {len(here)} of {total} images of {folder} cannot be used, and those are no few "
                f"bad images (at most {MOST_SKIPPED:.0%} of a folder):",
                shortened(here),
            )


def _read_tables(root: Path) -> ImageData:
    """What the files of a data folder say. Raises `InputError` with all that is wrong with them."""
    root = root.resolve()
    _check_layout(root)
    problems: list[str] = []
    classes = _read_classes(root, problems)
    train = _read_table(root / TRAIN_CSV, ("image_id", "label"), problems)
    sample = _read_table(root / SAMPLE, ("image_id", "label"), problems)
    if train is not None:
        problems += _label_problems(train, len(classes)) if classes else ()
        problems += share_problems(train, len(classes)) if classes else ()
        problems += _id_problems(train["image_id"], TRAIN_IMAGES, TRAIN_CSV, train["label"])
    if sample is not None:
        problems += _id_problems(sample["image_id"], TEST_IMAGES, SAMPLE)
    if problems or train is None or sample is None:
        raise InputError(f"The data folder {root} has {counted(problems)}:", shortened(problems))
    return ImageData(
        root=root,
        image_ids=tuple(train["image_id"]),
        labels=train["label"].to_numpy(np.int64),
        sources=tuple(train["source"]) if "source" in train else None,
        test_ids=tuple(sample["image_id"]),
        classes=classes,
        shares=shares_of(train, len(classes)),
    )


def _check_layout(root: Path) -> None:
    """Refuse what is no data folder at all."""
    try:
        there = {path.name: path.is_dir() for path in root.iterdir()}
    except OSError as error:
        raise InputError(f"--data must be a folder in the Kaggle layout; {root}: {error.strerror}") from None
    names = (TRAIN_CSV, TRAIN_IMAGES, TEST_IMAGES, LABEL_MAP, SAMPLE)
    missing = [name for name in names if name not in there]
    folders = (TRAIN_IMAGES, TEST_IMAGES)
    wrong = [
        f"{name} as a {'folder' if name in folders else 'file'}"
        for name in names
        if name in there and there[name] != (name in folders)
    ]
    if missing or wrong:
        raise InputError(f"A data folder needs {', '.join(names)}; {root} lacks:", [*missing, *wrong])


def _read_table(path: Path, columns: tuple[str, ...], problems: list[str]) -> pd.DataFrame | None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        table = pd.read_csv(path, dtype=str, keep_default_na=False).fillna("")
    except (ValueError, OSError, csv.Error) as error:
        problems.append(f"{path.name} cannot be read as CSV: {' '.join(str(error).split())}")
        return None
    lacking = [column for column in columns if column not in table]
    twice = sorted({column for column in header if header.count(column) > 1})
    wrong = ""
    if lacking:
        wrong = f"lacks the column {', '.join(lacking)}"
    elif twice:
        wrong = f"has the column {', '.join(twice)} more than once"
    elif table.empty:
        wrong = "has no rows"
    elif not isinstance(table.index, pd.RangeIndex):
        wrong = "has rows of more fields than its header"
    if wrong:
        problems.append(f"{path.name} {wrong}; its columns are {', '.join(header)}")
        return None
    return table


def _read_classes(root: Path, problems: list[str]) -> tuple[str, ...]:
    try:
        names: dict[str, Any] = json.loads((root / LABEL_MAP).read_text(encoding="utf-8-sig"))
        classes = tuple(str(names[str(number)]) for number in range(len(names)))
        if len(classes) > 1:
            return classes
        problems.append(f"{LABEL_MAP} must name at least 2 labels, it names {len(classes)}")
    except (ValueError, AttributeError, TypeError, OSError):
        problems.append(f"{LABEL_MAP} must be a JSON object of label numbers and names")
    except KeyError as error:
        problems.append(f"{LABEL_MAP} must name every label from 0 on; it lacks {error}")
    return ()


def _label_problems(train: pd.DataFrame, n_classes: int) -> Iterator[str]:
    known = {str(number) for number in range(n_classes)}
    wrong = [(row, label) for row, label in enumerate(train["label"]) if label not in known]
    floats = [(row, label) for row, label in wrong if _is_float(label) and label.partition(".")[0] in known]
    if floats:
        row, label = floats[0]
        yield (
            f"{TRAIN_CSV} line {row + 2}: label {label!r} of {train['image_id'][row]} is a float, as are "
            f"{len(floats)} of {len(train)}; labels must be whole numbers, as {label.partition('.')[0]!r}"
        )
    for row, label in wrong:
        if not (_is_float(label) and label.partition(".")[0] in known):
            of = f"label {label!r} of {train['image_id'][row]}"
            yield f"{TRAIN_CSV} line {row + 2}: {of} is not in {LABEL_MAP} (0 to {n_classes - 1})"


def _is_float(label: str) -> bool:
    """Whether it is a number with a point, as tables have it that were saved with a gap among the labels."""
    whole, point, rest = label.partition(".")
    return bool(point) and whole.isdecimal() and set(rest) <= {"0"}


def check_sources(flag: str, names: Sequence[str], sources: Sequence[str] | None) -> None:
    """Refuse names that are no source of train.csv."""
    known = sorted(set(sources or ()))
    unknown = [name for name in names if name not in known or not name]
    if unknown:
        has = ", ".join(known) or "no column `source`"
        raise InputError(f"{flag} must name sources of train.csv, which has {has}; it does not have:", unknown)


def _id_problems(ids: pd.Series, folder: str, table: str, labels: pd.Series | None = None) -> Iterator[str]:
    first: dict[str, int] = {}
    for row, image_id in enumerate(ids):
        before = first.setdefault(image_id, row)
        if before < row:
            other = (
                "" if labels is None or labels[before] == labels[row] else f", with another label ({labels[before]})"
            )
            yield f"{table} line {row + 2}: {image_id} stands in line {before + 2} already{other}"
        elif problem := name_problem(image_id, folder):
            yield f"{table} line {row + 2}: {problem}"


def list_images(folder: Path) -> list[Path]:
    """The images of a folder by name. Raises `InputError` where there is none."""
    if not folder.is_dir():
        raise InputError(f"--images must be a folder of images; got {str(folder)!r}")
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    paths = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        raise InputError(f"--images must hold images ({', '.join(IMAGE_SUFFIXES)}); {folder} has none")
    if len(paths) < len(files):
        print(f"note: {len(files) - len(paths)} files of {folder} are no {', '.join(IMAGE_SUFFIXES)} and left out")
    return paths
