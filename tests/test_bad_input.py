"""Bad input: one message, exit code 2, nothing lost. The same cases are the tables of docs/bad_input.md."""

import errno
import io
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import analysis.report.__main__
import cluster.session
import predict
import search
from cluster.flags import read_flags
from cluster.identity import begin
from cluster.lock import held
from cluster.plan import make_plan
from cluster.space import space_of
from trainables.data.images import read_image
from trainables.data.kaggle import load_data
from trainables.files import save_json
from trainables.layout import SearchFolder

DOCUMENT = Path(__file__).parent.parent / "docs" / "bad_input.md"
ROWS = 100_000


@dataclass
class Place:
    """What a case breaks: a data folder, and an OUT that is not there yet."""

    root: Path
    data: Path
    patch: pytest.MonkeyPatch
    tidy: list[Callable[[], object]] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.root / "OUT"

    @property
    def train_csv(self) -> Path:
        return self.data / "train.csv"

    def image(self, number: int = 3) -> Path:
        return self.data / f"train_images/train_{number}.png"

    def add_row(self, row: str) -> None:
        with self.train_csv.open("a") as table:
            table.write(row + "\n")

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def flags(self, *more: object) -> list[str]:
        return [*map(str, ("--data", self.data, "--out", self.out, "--folds", 2, "--trials", 2, "--quiet", *more))]

    def begun(self) -> SearchFolder:
        """OUT of a search that began and trained nothing yet."""
        words = read_flags(self.flags())
        plan = make_plan(words, space_of(words))
        assert plan is not None
        begin(plan)
        for number, recipe in enumerate(plan.space.recipes(4, plan.seed)):
            save_json(plan.search.trial(number).recipe, recipe.to_dict())
        return plan.search

    def mounted(self, *options: str) -> Path:
        """A disk of 64 KiB; a user who may not mount one sees the case skipped."""
        disk = self.root / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", disk], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs a disk of its own, and this user may not mount one")
        self.tidy.append(lambda: subprocess.run(["umount", disk], check=True))
        return disk


Broken = Callable[[Place], object]
"""Breaks something and returns the flags that are added, or a whole command line (`Line`)."""


@dataclass(frozen=True)
class Line:
    """A whole command line, where it is not search.py's usual one."""

    words: Sequence[object]
    program: str = "search.py"


def run(line: Line) -> int:
    """The real entry point, in this process."""
    words = [*map(str, line.words)]
    if line.program == "predict.py":
        return predict.main(words)
    if line.program == "analysis.report":
        return analysis.report.__main__.main(words)
    return search.main(words)


def flags(*words: object) -> Broken:
    return lambda place: words


def space(text: str) -> Broken:
    return lambda place: ("--space", place.file("own.py", text))


def data(damage: Callable[[Place], object], *words: object) -> Broken:
    def broken(place: Place) -> object:
        damage(place)
        return words

    return broken


def row(text: str) -> Broken:
    return data(lambda place: place.add_row(text))


def table(text: str | bytes) -> Broken:
    return data(lambda p: p.train_csv.write_bytes(text if isinstance(text, bytes) else text.encode()))


def image(write: Callable[[Path], object], *words: object) -> Broken:
    def damage(place: Place) -> None:
        place.image().unlink()
        write(place.image())

    return data(damage, *words)


def resumed(damage: Callable[[Place, SearchFolder], object], *words: object) -> Broken:
    def broken(place: Place) -> object:
        damage(place, place.begun())
        return ("--resume", *words)

    return broken


def reported(damage: Callable[[SearchFolder], object]) -> Broken:
    def broken(place: Place) -> object:
        begun = place.begun()
        damage(begun)
        return Line([begun.path], "analysis.report")

    return broken


def predicted(damage: Callable[[SearchFolder], object]) -> Broken:
    def broken(place: Place) -> object:
        begun = place.begun()
        save_json(begun.ensemble, {"members": [0], "weights": [1.0], "method": "mean", "metric": "val_loss", "seed": 0})
        damage(begun)
        return Line([begun.path, "--images", place.data / "test_images", "--out", place.root / "a.csv"], "predict.py")

    return broken


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def bomb(path: Path) -> None:
    """A PNG that says it is of 30,000 x 30,000 px."""
    small = encoded("PNG")
    header = b"IHDR" + struct.pack(">II", 30_000, 30_000) + small[24:29]
    path.write_bytes(small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:])


def link_out(place: Place) -> None:
    outside = place.file("outside.png", place.image().read_bytes())
    place.image().unlink()
    place.image().symlink_to(outside)


def many_rows(place: Place) -> None:
    rows = [f"leaf_{number}.jpg,{number % 2}" for number in range(ROWS)]
    rows[76_543] = "leaf_76543.jpg,healthy"
    place.train_csv.write_text("\n".join(["image_id,label", *rows]))


def unreadable(place: Place) -> None:
    def refuse(self: Path) -> Iterable[Path]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    place.patch.setattr(Path, "iterdir", refuse)


def one_class(place: Place) -> None:
    place.train_csv.write_text(place.train_csv.read_text().replace(",1\n", ",0\n"))


def in_two_groups(place: Place) -> object:
    return "--groups", place.file("groups.csv", "image_id,group\ntrain_0.png,a\ntrain_0.png,b\n")


def pickled(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps({"weight": [0.0]}))
    return path


def weights(*names: str) -> Broken:
    def broken(place: Place) -> object:
        for name in names:
            pickled(place.root / "weights" / name)
        return "--space", "leaves", "--weights", place.root / "weights"

    return broken


def warm(damage: Callable[[SearchFolder], object], *words: object) -> Broken:
    def broken(place: Place) -> object:
        other = place.begun().path.rename(place.root / "OTHER")
        rows = [{"trial": 0, "epoch": 1, "promoted": True, "cut_is_tie": False}]
        save_json(SearchFolder(other).standings, rows)
        damage(SearchFolder(other))
        return "--warm-start", other, *words

    return broken


def replayed(trial: str, damage: Callable[[SearchFolder], object] = lambda begun: None) -> Broken:
    def broken(place: Place) -> object:
        begun = place.begun()
        damage(begun)
        return Line(["--replay", begun.path, trial])

    return broken


def another_driver(place: Place) -> object:
    lock = held(SearchFolder(place.out).lock)
    lock.__enter__()
    place.tidy.append(lambda: lock.__exit__(None, None, None))
    return ()


def torn(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"trials": 2, "see')


def refolded(path: Path) -> None:
    stored = json.loads(path.read_text())
    save_json(path, {**stored, "fold_of": stored["fold_of"][::-1]})


def pickled_nets(begun: SearchFolder) -> None:
    for fold in range(2):
        begun.trial(0).fold(fold).weights.parent.mkdir(parents=True)
        pickled(begun.trial(0).fold(fold).weights)


def full_disk(place: Place) -> object:
    return "--out", place.mounted("-o", "size=64k") / "OUT"


def read_only_disk(place: Place) -> object:
    return "--out", place.mounted("-o", "ro") / "OUT"


def other_groups(place: Place, begun: SearchFolder) -> None:
    pairs = [f"train_{number}.png,{number // 8}" for number in range(0, 16, 2)]
    place.file("groups.csv", "\n".join(["image_id,group", *pairs]))


OWN_SPACE = "from search_spaces.digits import SPACE\n"
BIG_JPEG = encoded("JPEG", size=(200, 200))
PNG = encoded("PNG")
SKIP = ("--bad-images", "skip")

REFUSED: dict[str, tuple[Broken, str]] = {
    # flags
    "unknown flag": (flags("--frames", 3), "unrecognized arguments: --frames 3"),
    "trials not whole": (flags("--trials", 1.5), "argument --trials: invalid int value: '1.5'"),
    "epochs NaN": (flags("--epochs", "nan"), "argument --epochs: invalid int value: 'nan'"),
    "epochs negative": (flags("--epochs", -1), "--epochs must be at least 1, got -1"),
    "folds 1": (flags("--folds", 1), "--folds must be at least 2, got 1"),
    "GPUs NaN": (flags("--gpus-per-trial", "nan"), "--gpus-per-trial must be a number of at least 0, got nan"),
    "GPUs infinite": (flags("--gpus-per-trial", "inf"), "--gpus-per-trial must be a number of at least 0, got inf"),
    "one GPU and a half": (
        flags("--gpus-per-trial", 1.5),
        "--gpus-per-trial must be a whole number above 1, got 1.5",
    ),
    "a GPU without memory": (flags("--gpu-memory", 0), "--gpu-memory must be a number above 0, got 0"),
    "seed too large": (flags("--seed", 2**40), "seed must be in [0, 2147483647], got 1099511627776"),
    "promote beyond trials": (flags("--promote", 3), "--promote must not exceed --trials"),
    "a diagonal of so many": (
        flags("--promotion", "diagonal", "--promote", 2),
        "--promotion diagonal excludes --promote: it takes one trial for each fold",
    ),
    "an adaptive diagonal": (
        flags("--promotion", "diagonal", "--adaptive"),
        "--promotion diagonal excludes --adaptive",
    ),
    "unknown metric": (flags("--metric", "loss"), "argument --metric: invalid choice: 'loss'"),
    "unknown answer to bad images": (flags("--bad-images", "drop"), "argument --bad-images: invalid choice: 'drop'"),
    "unknown tracker": (flags("--track", "comet"), "argument --track: invalid choice: 'comet'"),
    "tracker not installed": (
        data(lambda p: p.patch.setattr("cluster.tracking.find_spec", lambda _: None), "--track", "mlflow"),
        "--track mlflow: it is not installed in",
    ),
    "unknown way to denoise": (flags("--denoise", "flip"), "argument --denoise: invalid choice: 'flip'"),
    "denoise folds without a way": (flags("--denoise-folds", 0), "--denoise-folds needs --denoise"),
    "denoise a fold that is not": (
        flags("--denoise", "drop", "--denoise-folds", 0, 2),
        "--denoise-folds must be in [0, 1], got 2",
    ),
    "denoise on a budget": (
        flags("--denoise", "drop", "--epoch-budget", 1000),
        "--denoise excludes --time-budget and --epoch-budget",
    ),
    "resume of nowhere": (lambda place: Line(["--resume"]), "--resume needs --out, the search to go on with"),
    "groups absent": (
        lambda place: ("--groups", place.root / "no.csv"),
        "--groups must be a CSV with image_id,group",
    ),
    "groups of other images": (
        lambda place: ("--groups", place.file("groups.csv", "image_id,group\nleaf.png,a\n")),
        "--groups names images that train.csv does not have (1):",
    ),
    "image in two groups": (in_two_groups, "--groups puts images in two groups (1):"),
    "train-only without sources": (
        flags("--train-only", "2019"),
        "--train-only must name sources of train.csv, which has",
    ),
    "warm start from nothing": (
        lambda place: ("--warm-start", place.root),
        "holds no search whose trials were compared (standings.json)",
    ),
    "warm start from torn standings": (
        warm(lambda other: torn(other.standings)),
        "standings.json cannot be read as JSON",
    ),
    "warm start from other folds": (
        warm(lambda other: None, "--folds", 3),
        "searched on other data or folds",
    ),
    "replay of nothing": (lambda place: Line(["--replay", place.root, 0]), "--replay needs a search and the number"),
    "replay of an unknown trial": (replayed("7"), "--replay needs a search and the number of one of its trials"),
    "replay with torn folds": (replayed("1", lambda begun: torn(begun.folds)), "folds.json cannot be read as JSON"),
    # spaces and recipes
    "unknown space": (flags("--space", "leafs"), "Did you mean 'leaves'?"),
    "space absent": (flags("--space", "own.py"), "or a .py file that exists; got 'own.py'"),
    "space with a syntax error": (space("SPACE = Space(\n"), "the file cannot be run: SyntaxError: '(' was never"),
    "space that raises": (space("import leaves_of_mine\n"), "the file cannot be run: ModuleNotFoundError"),
    "file without SPACE": (space("RANGES = 1\n"), "the file must define SPACE, a search_spaces.Space; got None"),
    "space of an unknown field": (
        space(OWN_SPACE + "SPACE = SPACE.fixed(imagesize=32)\n"),
        "'imagesize' (did you mean 'image_size'?) is no field of a recipe",
    ),
    "denoised recipes": (flags("--set", "denoise=drop"), "denoise must be 'none' in a space, got drop"),
    "impossible range": (
        space(OWN_SPACE + "from search_spaces.ranges import Uniform\nSPACE = SPACE.fixed(t1=Uniform(1.0, 0.5))\n"),
        "Uniform: low < high must hold, got low=1.0, high=0.5",
    ),
    "set without a value": (flags("--set", "t1"), "--set takes FIELD=VALUE, as in image_size=96; got:"),
    "set of an unknown field": (flags("--set", "colour=1"), "'colour' is no field of a recipe"),
    "set to NaN": (flags("--set", "t1=NaN"), "t1 must be in [0.0, 1.0], got nan"),
    "set out of range": (flags("--set", "batch_size=0"), "batch_size must be in [1, 4096], got 0"),
    "set to an unknown loss": (flags("--set", "loss=focl"), "got 'focl' (did you mean 'focal'?)"),
    "set to an unknown backbone": (flags("--set", "backbone=resnt18"), "A backbone must be a model name of timm"),
    "augment absent": (flags("--augment", "no.yaml"), "--augment: no.yaml cannot be read as JSON or YAML"),
    "augment broken": (
        lambda place: ("--augment", place.file("own.json", '{"transform": ')),
        "own.json cannot be read as JSON or YAML",
    ),
    "augment with an unknown transform": (
        lambda place: ("--augment", place.file("own.json", '{"transform": {"__class_fullname__": "Blurr"}}')),
        "'Blurr' is no transform of albumentations (nearest: Blur",
    ),
    # weights
    "weights that are a file": (
        lambda place: ("--space", "leaves", "--weights", pickled(place.root / "resnet18.pt")),
        "resnet18.pt: a pickle can run code when it is opened, and is not opened here",
    ),
    "weights without a safetensors": (
        weights("pytorch_model.bin"),
        "pytorch_model.bin: a pickle can run code when it is opened, and is not opened here",
    ),
    "safetensors that is a pickle": (
        weights("resnet18.safetensors"),
        "weights must be safetensors: a pickle can run code when it is opened, and is not opened here",
    ),
    "weights for a space from scratch": (
        lambda place: ("--weights", place.root),
        "train from scratch and read no weights",
    ),
    # data folders
    "data absent": (flags("--data", "/no/such"), "must be a folder in the Kaggle layout; /no/such: No such file"),
    "data a file": (lambda place: ("--data", place.train_csv), "train.csv: Not a directory"),
    "data empty": (lambda place: ("--data", tempfile.mkdtemp(dir=place.root)), "lacks:\n  - train.csv"),
    "data unreadable": (data(unreadable), "stripes: Permission denied"),
    "train.csv absent": (data(lambda p: p.train_csv.unlink()), "lacks:\n  - train.csv"),
    "train.csv a folder": (
        data(lambda p: (p.train_csv.unlink(), p.train_csv.mkdir())),
        "lacks:\n  - train.csv as a file",
    ),
    "train_images a file": (
        data(lambda p: (shutil.rmtree(p.data / "train_images"), (p.data / "train_images").touch())),
        "lacks:\n  - train_images as a folder",
    ),
    # train.csv
    "train.csv empty": (table(""), "train.csv cannot be read as CSV: No columns to parse from file"),
    "train.csv without rows": (table("image_id,label\n"), "train.csv has no rows"),
    "train.csv without labels": (table("image_id\ntrain_0.png\n"), "train.csv lacks the column label"),
    "train.csv with semicolons": (table("image_id;label\na.png;0\n"), "its columns are image_id;label"),
    "train.csv not in UTF-8": (table(b"image_id,label\n\xe4,0\n"), "train.csv cannot be read as CSV: 'utf-8'"),
    "a column twice": (table("image_id,label,label\na.png,0,1\n"), "train.csv has the column label more than once"),
    "more fields than columns": (
        table("image_id,label\na.png,0,\nb.png,1,\n"),
        "train.csv has rows of more fields than its header",
    ),
    "one row of more fields": (row("a.png,0,1"), "Expected 2 fields in line 18, saw 3"),
    "labels of floats": (
        data(lambda p: p.train_csv.write_text(re.sub(r",(\d)\n", r",\1.0\n", p.train_csv.read_text()))),
        "label '0.0' of train_0.png is a float, as are 16 of 16; labels must be whole numbers, as '0'",
    ),
    "label no number": (row("train_0.jpg,NaN"), "train.csv line 18: label 'NaN' of train_0.jpg is not in"),
    "label empty": (row("train_0.jpg"), "train.csv line 18: label '' of train_0.jpg is not in"),
    "label outside the map": (row("train_0.jpg,7"), "train.csv line 18: label '7' of train_0.jpg is not in"),
    "one id twice": (row("train_0.png,0"), "train.csv line 18: train_0.png stands in line 2 already"),
    "two labels for one id": (row("train_0.png,1"), "train_0.png stands in line 2 already, with another label (0)"),
    "one bad row of 100,000": (
        data(many_rows),
        "has 1 problem:\n  - train.csv line 76545: label 'healthy' of leaf_76543.jpg is not in",
    ),
    "soft labels that are no shares": (
        table("image_id,label,label_0,label_1\ntrain_0.png,0,0.9,0.9\n"),
        "train.csv line 2: shares must be at least 0 and sum to 1, got 0.9, 0.9",
    ),
    "id that leads up": (row("../train_images/train_0.png,0"), "must be a plain file name of train_images/, got '../"),
    "id of two dots": (row("..,0"), "image_id must be a plain file name of train_images/, got '..'"),
    "absolute id": (row("/etc/hostname,0"), "image_id must be a plain file name of train_images/, got '/etc/hostname'"),
    "NUL in an id": (row("train\0.png,0"), r"image_id must be a plain file name of train_images/, got 'train\x00.png'"),
    "id too long for a file": (row(f"{'x' * 300}.png,0"), "must be a plain file name of train_images/, got 'xxx"),
    "test id that leads up": (
        data(lambda p: (p.data / "sample_submission.csv").write_text("image_id,label\n../x.png,0\n")),
        "sample_submission.csv line 2: image_id must be a plain file name of test_images/, got '../x.png'",
    ),
    # the label map and the classes
    "map no JSON": (
        data(lambda p: (p.data / "label_num_to_disease_map.json").write_text("{")),
        "label_num_to_disease_map.json must be a JSON object of label numbers and names",
    ),
    "map with a gap": (
        data(lambda p: (p.data / "label_num_to_disease_map.json").write_text(json.dumps({"0": "a", "2": "b"}))),
        "label_num_to_disease_map.json must name every label from 0 on; it lacks '1'",
    ),
    "map of one label": (
        data(lambda p: (p.data / "label_num_to_disease_map.json").write_text(json.dumps({"0": "a"}))),
        "label_num_to_disease_map.json must name at least 2 labels, it names 1",
    ),
    "images of one class only": (data(one_class), "apart from duplicates:\n  - 'down' has 0"),
    "fewer images than folds": (flags("--folds", 9), "Every class needs an image in each of the 9 folds"),
    "fewer digits than folds": (
        flags("--data", "digits", "--folds", 200),
        "Every class needs an image in each of the 200 folds",
    ),
    # images
    "training image missing": (data(lambda p: p.image().unlink()), "train_images/train_3.png is missing"),
    "test image missing": (
        data(lambda p: (p.data / "test_images/test_1.png").unlink()),
        "test_images/test_1.png is missing",
    ),
    "link that leaves": (data(link_out), "train_images/train_3.png is a link that leaves the folder"),
    "folder named as an image": (image(lambda path: path.mkdir()), "train_images/train_3.png is missing"),
    "image of no bytes": (image(lambda path: path.touch()), "train_images/train_3.png is not an image"),
    "text named as an image": (image(lambda path: path.write_text("<svg/>")), "train_3.png is not an image"),
    "image of another format": (image(lambda path: path.write_bytes(encoded("GIF"))), "is not an image (JPEG, PNG"),
    "JPEG cut in half": (
        image(lambda path: path.write_bytes(BIG_JPEG[: len(BIG_JPEG) // 2])),
        "train_images/train_3.png cannot be decoded: image file is truncated",
    ),
    "PNG without its last byte": (
        image(lambda path: path.write_bytes(PNG[:-1])),
        "train_images/train_3.png cannot be decoded: image file is truncated (it lacks its end)",
    ),
    "decompression bomb": (image(bomb), "could be decompression bomb DOS attack"),
    "image that OpenCV cannot decode": (
        image(lambda path: Image.new("F", (40, 24)).save(path, "TIFF")),
        "train_images/train_3.png cannot be decoded: OpenCV reads no TIFF of this kind",
    ),
    "image too wide for OpenCV": (
        image(lambda path: Image.new("1", (1_000_001, 1)).save(path, "PNG")),
        "cannot be decoded: a side is longer than 1,000,000 px",
    ),
    "too many bad images to skip": (
        data(lambda p: (p.image(1).unlink(), p.image(2).write_bytes(b"")), *SKIP),
        "2 of 16 images of train_images cannot be used, and those are no few bad images",
    ),
    "link that leaves, to be skipped": (data(link_out, *SKIP), "train_3.png is a link that leaves the folder"),
    # OUT
    "OUT a file": (lambda place: ("--out", place.train_csv), "train.csv cannot be written: Not a directory"),
    "OUT below a file": (lambda place: ("--out", place.train_csv / "OUT"), "OUT cannot be written: Not a directory"),
    "OUT with other files": (lambda place: ("--out", place.data), "--out must be a new or an empty folder"),
    "OUT read-only": (read_only_disk, "OUT cannot be written: Read-only file system"),
    "OUT full": (full_disk, "OUT cannot be written: No space left on device"),
    "OUT that another driver writes": (another_driver, "is being written by another search (process"),
    "OUT with a search": (lambda place: (place.begun(), ())[1], "holds a search already; add --resume to go on"),
    "resume of nothing": (flags("--resume"), "holds no search; without --resume one is begun there"),
    "resume of another search": (resumed(lambda place, begun: None, "--seed", 5), "seed was 0, is 5"),
    "resume with other data": (
        resumed(lambda place, begun: shutil.copy(place.image(1), place.image(3))),
        "labels, tables or images changed since this search began",
    ),
    "resume with an image gone bad": (
        resumed(lambda place, begun: place.image().touch() or place.image().write_bytes(b"")),
        "train_images/train_3.png is not an image",
    ),
    "resume that skips more than before": (
        resumed(lambda place, begun: place.image().unlink(), *SKIP),
        "labels, tables or images changed since this search began",
    ),
    "resume with other folds": (
        lambda place: (*resumed(other_groups)(place), "--groups", place.root / "groups.csv"),
        "other images validate in a fold",
    ),
    "search.json torn": (resumed(lambda place, begun: torn(begun.search)), "search.json cannot be read as JSON"),
    "search.json of something else": (
        resumed(lambda place, begun: save_json(begun.search, [1])),
        "search.json lacks trials, space_hash, code_hash, libraries; nothing can write it again",
    ),
    "recipe.json torn at a resume": (
        resumed(lambda place, begun: torn(begun.trial(1).recipe)),
        "001, --resume puts another trial in its place",
    ),
    "standings.json torn": (
        resumed(lambda place, begun: torn(begun.standings)),
        "standings.json cannot be read as JSON",
    ),
    "micro_batches.json torn": (
        resumed(lambda place, begun: torn(begun.micro_batches)),
        "micro_batches.json cannot be read as JSON",
    ),
    # what reads OUT
    "report of nothing": (lambda place: Line([place.root], "analysis.report"), "holds no search (it has no"),
    "report of an unfinished search": (reported(lambda begun: None), "summary.json is not there"),
    "summary.json torn": (reported(lambda begun: torn(begun.summary)), "summary.json cannot be read as JSON"),
    "recipe.json torn": (
        replayed("1", lambda begun: torn(begun.trial(1).recipe)),
        "001/recipe.json cannot be read as JSON",
    ),
    "recipe.json of an unknown field": (
        replayed("1", lambda begun: save_json(begun.trial(1).recipe, {"colour": 1})),
        "001/recipe.json: A recipe",
    ),
    "rungs.json torn": (replayed("1", lambda begun: torn(begun.rungs)), "rungs.json cannot be read as JSON"),
    "prediction of nothing": (
        lambda place: Line([place.root, "--images", place.data, "--out", place.root / "a.csv"], "predict.py"),
        "OUT must be a finished search",
    ),
    "ensemble.json torn": (predicted(lambda begun: torn(begun.ensemble)), "ensemble.json cannot be read as JSON"),
    "folds.json torn": (predicted(lambda begun: torn(begun.folds)), "folds.json cannot be read as JSON"),
    "folds.json changed": (predicted(lambda begun: refolded(begun.folds)), "folds.json was changed"),
    "weights of OUT that are a pickle": (
        predicted(pickled_nets),
        "fold0/weights.safetensors: Error",
    ),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, stripes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Place]:
    def trained(**_: object) -> None:
        pytest.fail("Ray was started")

    monkeypatch.setattr(cluster.session.ray, "init", trained)
    made = Place(tmp_path, stripes, monkeypatch)
    yield made
    for undo in made.tidy:
        undo()


def contents(root: Path) -> dict[Path, bytes | str]:
    """Everything below a folder, byte for byte; links as what they point to."""
    found: dict[Path, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        found[path] = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
    return found


def is_one_message(text: str, program: str) -> bool:
    """One line of the program's, with its list below it; or argparse's usage, and one line."""
    first, *others = text.splitlines()
    if first.startswith("usage: "):
        return sum(line.startswith(f"{program}: error: ") for line in others) == 1
    return first.startswith(f"{program}: ") and all(line.startswith("  - ") for line in others)


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_one_message_and_nothing_is_lost(
    case: str, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    broken, said = REFUSED[case]
    given = broken(place)
    line = given if isinstance(given, Line) else Line(place.flags(*given))
    before = contents(place.root)
    capfd.readouterr()
    started = time.process_time()  # of this process: others may be at work beside it
    try:
        code = run(line)
    except SystemExit as exit_:  # argparse's own way out
        code = int(str(exit_.code))
    seconds = time.process_time() - started
    place.patch.undo()
    printed = capfd.readouterr()
    assert said in printed.err
    assert is_one_message(printed.err, line.program), printed.err
    assert code == 2
    assert contents(place.root) == before
    assert seconds < 10


def test_what_is_no_single_message_is_found_out() -> None:
    assert is_one_message("search.py: no\n  - one\n  - two\n", "search.py")
    assert not is_one_message("search.py: no\nsearch.py: no\n", "search.py")
    assert not is_one_message("libpng error: Read Error\nsearch.py: no\n", "search.py")
    assert not is_one_message("Traceback (most recent call last):\n", "search.py")


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # by a quarter
    Image.new("RGB", (40, 24), (255, 0, 0)).save(path, "JPEG", exif=exif, quality=100, subsampling=0)


def plain_png(path: Path) -> None:
    Image.new("RGB", (40, 24), (255, 0, 0)).save(path, "PNG")


def torn_exif(path: Path) -> None:
    Image.new("RGB", (40, 24), (255, 0, 0)).save(
        path, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09", quality=100, subsampling=0
    )


RED = (255, 0, 0)
ACCEPTED: dict[str, tuple[str, Callable[[Path], object], tuple[int, int], tuple[int, int, int]]] = {
    "CMYK": ("cmyk.jpg", lambda p: Image.new("CMYK", (40, 24), (0, 255, 255, 0)).save(p, quality=100), (24, 40), RED),
    "grey": ("grey.png", lambda p: Image.new("L", (40, 24), 90).save(p), (24, 40), (90, 90, 90)),
    "16 bits": ("deep.png", lambda p: Image.new("I;16", (40, 24), 90 * 256).save(p), (24, 40), (90, 90, 90)),
    "palette": ("few.png", lambda p: Image.new("RGB", (40, 24), RED).convert("P").save(p), (24, 40), RED),
    "transparent": ("glass.webp", lambda p: Image.new("RGBA", (40, 24), RED).save(p, lossless=True), (24, 40), RED),
    "one bit": ("bit.tiff", lambda p: Image.new("1", (40, 24), 1).save(p), (24, 40), (255, 255, 255)),
    "turned by EXIF": ("turned.jpg", turned, (40, 24), RED),
    "EXIF that is torn": ("torn.jpg", torn_exif, (24, 40), RED),
    "name with spaces": ("a leaf, the second.png", plain_png, (24, 40), RED),
    "name beyond ASCII": ("Blätter 葉.bmp", lambda p: Image.new("RGB", (40, 24), RED).save(p), (24, 40), RED),
    "suffix of another format": ("png.jpg", plain_png, (24, 40), RED),
}  # fmt: skip


@pytest.mark.parametrize("case", ACCEPTED)
def test_unusual_images_are_read_as_any_other(case: str, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    name, write, shape, colour = ACCEPTED[case]
    write(place.data / "train_images" / name)
    place.add_row(f'"{name}",1')
    assert search.main(place.flags("--plan")) == 0
    printed = capfd.readouterr()
    assert "17 images of 2 classes" in printed.out
    assert not printed.err
    pixels = read_image(load_data(place.data).train_paths[-1])
    assert pixels.shape == (*shape, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= 3
    assert not place.out.exists()


TABLES: dict[str, bytes] = {
    "byte order mark": b"\xef\xbb\xbfimage_id,label\n%s",
    "Windows line ends": b"image_id,label\r\n%s",
    "columns in another order": b"label,image_id\n%s",
    "a further column": b"image_id,label,note\n%s",
}


@pytest.mark.parametrize("case", TABLES)
def test_unusual_tables_are_read_as_any_other(case: str, place: Place) -> None:
    usual = load_data(place.data)
    rows = [(f"train_{number}.png", str(number % 2)) for number in range(16)]
    end = "\r\n" if "Windows" in case else "\n"
    order = slice(None, None, -1) if "columns in" in case else slice(None)
    more = ",seen" if "further" in case else ""
    place.train_csv.write_bytes(TABLES[case] % "".join(",".join(row[order]) + more + end for row in rows).encode())
    assert search.main(place.flags("--plan")) == 0
    read = load_data(place.data)
    assert (read.image_ids, read.labels.tolist()) == (usual.image_ids, usual.labels.tolist())


def test_what_a_resume_writes_again_may_be_torn(place: Place) -> None:
    begun = place.begun()
    whole = begun.folds.read_text()
    for path in (begun.folds, begun.summary, begun.promoted):
        torn(path)
    words = read_flags(place.flags("--resume"))
    plan = make_plan(words, space_of(words))
    assert plan is not None
    begin(plan)
    assert begun.folds.read_text() == whole


def documented(text: str) -> dict[str, str]:
    """The tables of the document: a case, and what is said of it."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `(.+)` \|$", text, re.MULTILINE)
    return {case: said.replace("⏎", "\n") for case, said in rows}


def differences(document: Mapping[str, str], tested: Mapping[str, str]) -> list[str]:
    """Cases that only one of the two has, and those of which they say different things."""
    return sorted(case for case in {*document, *tested} if document.get(case) != tested.get(case))


def test_the_document_has_the_same_cases() -> None:
    text = DOCUMENT.read_text()
    assert differences(documented(text), {case: said for case, (_, said) in REFUSED.items()}) == []
    accepted = re.findall(r"^\| ([^|]+) \| [^|`]+ \|$", text, re.MULTILINE)
    assert {*accepted} - {"case", "---"} == {*ACCEPTED, *TABLES}


def test_a_row_that_lacks_or_says_something_else_is_found_out() -> None:
    table = "| a | what | `no` |\n| b | what | `no:⏎  - b` |\n"
    assert documented(table) == {"a": "no", "b": "no:\n  - b"}
    assert differences(documented(table), {"a": "no", "b": "no:\n  - b"}) == []
    assert differences(documented(table), {"a": "no"}) == ["b"]
    assert differences({}, {"a": "no"}) == ["a"]
    assert differences({"a": "yes"}, {"a": "no"}) == ["a"]


def test_there_are_forty_cases_and_more() -> None:
    assert len(REFUSED) >= 40
