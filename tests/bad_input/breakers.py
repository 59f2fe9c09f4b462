"""Ways to break an input: flags, a space, the data folder, a search that is there already."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from cluster.lock import held
from tests.bad_input.place import Broken, Line, Place
from trainables.files import save_json
from trainables.layout import SearchFolder

ROWS = 100_000


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
