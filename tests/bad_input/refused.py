"""Every case that is refused: what breaks the input, and what the one message says of it."""

from __future__ import annotations

import json
import re
import shutil
import tempfile

from PIL import Image

from tests.bad_input.breakers import (
    another_driver,
    bomb,
    data,
    encoded,
    flags,
    full_disk,
    image,
    in_two_groups,
    link_out,
    many_rows,
    one_class,
    other_groups,
    pickled,
    pickled_nets,
    predicted,
    read_only_disk,
    refolded,
    replayed,
    reported,
    resumed,
    row,
    space,
    table,
    torn,
    unreadable,
    warm,
    weights,
)
from tests.bad_input.place import Broken, Line
from trainables.files import save_json

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
    "grace period 0": (flags("--grace-period", 0), "--grace-period must be at least 1, got 0"),
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
